# expect: error|died|timeout|exit
# what: an exception that raises, loops and exits while it is being shown
class Hostile(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__

    @property
    def __notes__(self):
        raise KeyboardInterrupt

    @property
    def __cause__(self):
        return self


raise Hostile
