# expect: exit|error|died
# what: leaves with a value that is no number, although it is one
class Status(int):
    def __bool__(self):
        raise KeyboardInterrupt

    def __int__(self):
        return "zero"

    __str__ = __repr__ = __and__ = __index__ = __int__


raise SystemExit(Status(2**70))
