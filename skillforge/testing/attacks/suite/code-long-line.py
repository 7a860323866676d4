# expect: error|died|oom|ok|timeout
# what: a line of code of a megabyte
# times: 200000
x=1; 