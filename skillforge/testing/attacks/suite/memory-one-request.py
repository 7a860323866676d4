# expect: error|oom|died|timeout
# what: one object larger than any machine
text = "many" * 10**12
