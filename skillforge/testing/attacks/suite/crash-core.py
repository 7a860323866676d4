# expect: died|timeout
# what: ends in a way that writes its memory to a file, with the limits on that raised
import faulthandler
import os
import resource
import signal

try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
except (OSError, ValueError) as refusal:
    print(refusal)
faulthandler.enable()
secret = "core" * 10**6
os.kill(os.getpid(), signal.SIGQUIT)
os.abort()
