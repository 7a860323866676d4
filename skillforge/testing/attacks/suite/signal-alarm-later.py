# expect: ok|died
# what: an alarm that ends the interpreter between two cells
import signal

signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.setitimer(signal.ITIMER_REAL, 0.03)
