# expect: timeout|ok|error
# limit: 1
# what: an object whose end never ends
class Undying:
    def __del__(self):
        while True:
            pass


thing = Undying()
del thing
print("past it")
