# expect: error|died|timeout|exit
# what: an exception whose class raises whatever it is asked
class Meta(type):
    def __getattribute__(cls, name):
        raise KeyboardInterrupt(name)

    def __instancecheck__(cls, other):
        return True


class Nameless(BaseException, metaclass=Meta):
    pass


raise Nameless
