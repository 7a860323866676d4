# expect: ok
# what: threads that print, through every name of the stream, when the cell has ended
import sys
import threading
import time

stream, original, write = sys.stdout, sys.__stdout__, sys.stdout.write


def chatter():
    while True:
        time.sleep(0.02)
        for speak in (print, write, stream.write, original and original.write):
            if speak:
                speak("LATE\n")


threading.Thread(target=chatter, daemon=True).start()
