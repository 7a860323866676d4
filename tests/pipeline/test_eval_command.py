from command_line import skillforge
def test_x(scripted):
    r = skillforge("eval","--benchmark","scripted-sums","--model","scripted-model","--repeats",4,"--seed",1,"--out","r")
    print(r.out, r.err)
    r = skillforge("eval","--benchmark","scripted-sums","--model","scripted-model","--dry-run")
    print(r.out, r.err)
    assert 0
