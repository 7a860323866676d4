# expect: error|oom|died|timeout
# what: an exception of ten thousand causes and groups, with a message of 100 MB
fault = ValueError("m" * 10**8)
for depth in range(10_000):
    outer = ExceptionGroup("group", [fault]) if depth % 2 else RuntimeError(depth)
    outer.__cause__ = fault
    fault = outer
raise fault
