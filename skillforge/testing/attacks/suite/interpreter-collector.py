# expect: ok|error|timeout|died
# what: objects that come back to life, for ever, when they are collected
import gc


class Phoenix:
    def __init__(self):
        self.me = self

    def __del__(self):
        Phoenix()


for _ in range(100):
    Phoenix()
gc.set_threshold(1, 1, 1)
for _ in range(50):
    gc.collect()
