# expect: error|oom|died|timeout
# what: a few bytes of pickle that ask for all memory
import pickle


class Bomb:
    def __reduce__(self):
        return bytearray, (2**42,)


pickle.loads(pickle.dumps(Bomb()))
