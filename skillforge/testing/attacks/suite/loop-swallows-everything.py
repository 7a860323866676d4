# expect: timeout
# limit: 1
# what: catches whatever is raised to stop it, in a loop and in a generator that refuses to close
import contextlib


def stubborn():
    while True:
        with contextlib.suppress(BaseException):
            yield from range(10**9)


while True:
    try:
        for _ in stubborn():
            pass
    except BaseException:
        continue
    finally:
        continue
