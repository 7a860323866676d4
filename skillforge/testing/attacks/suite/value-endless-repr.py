# expect: timeout
# limit: 1
# what: a value whose repr never returns, and swallows the interrupt
class Endless:
    def __repr__(self):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass


Endless()
