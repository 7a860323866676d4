# expect: ok
# what: threads that compute on when the cell has ended
import threading


def burn():
    while True:
        pass


for _ in range(3):
    threading.Thread(target=burn, daemon=True).start()
