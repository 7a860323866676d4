# expect: error|oom|died|timeout
# what: a list without end, as a careless program builds one
import itertools

everything = [{n: str(n)} for n in itertools.count()]
