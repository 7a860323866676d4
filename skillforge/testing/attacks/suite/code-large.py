# expect: error|died|oom|ok|timeout
# what: more code than any message may hold
# times: 2000000
# padding
