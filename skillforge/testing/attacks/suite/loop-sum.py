# expect: timeout
# limit: 1
# what: a loop in C that no signal interrupts
sum(range(10**13))
