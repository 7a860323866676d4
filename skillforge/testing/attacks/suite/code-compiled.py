# expect: ok|error|died|oom
# what: odd source text and hostile bytecode, compiled at run time
sources = [
    "\ufeffx = 1\r\n\tif x:\r\n\t  x = 2", "x = 1\0", "(" * 10**6, "f'" + "{" * 10**4, "lambda: " * 10**4 + "1",
    "if 1:\n" + "".join(" " * n + "if 1:\n" for n in range(1, 200)), "x = " + "9" * 10**6, "a." * 10**5 + "b",
    "# -*- coding: nonsense -*-\nx = 1", "# -*- coding: utf-7 -*-\n+AGE- = 1",
]  # fmt: skip
for source in sources:
    for code in (source, source.encode()):
        try:
            exec(compile(code, "<odd>", "exec"), {})
        except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError, LookupError) as fault:
            print(type(fault).__name__)


def victim():
    pass


victim.__code__ = victim.__code__.replace(co_code=bytes(range(200, 250)), co_stacksize=0)
victim()
