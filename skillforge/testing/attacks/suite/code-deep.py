# expect: error|died|oom
# what: code that nests deeper than any compiler goes
# times: 300000
a.a