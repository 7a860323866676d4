# expect: ok|error|died
# what: a value whose repr is a string of another class, which lies about itself
class Liar(str):
    def __len__(self):
        return -1

    def __getitem__(self, key):
        raise SystemExit("lied")

    def __str__(self):
        return 5

    def encode(self, *_):
        return b"FORGED" * 10**6

    __iter__ = __add__ = __radd__ = __eq__ = __format__ = __mod__ = None
    __hash__ = None


class Odd:
    def __repr__(self):
        return Liar("odd")


Odd()
