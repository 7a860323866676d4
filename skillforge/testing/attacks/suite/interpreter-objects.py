# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: closes every socket and file that can be found from its callers
import gc
import io
import socket
import sys

seen, unseen = set(), [sys._getframe(), sys.modules]
while unseen and len(seen) < 100_000:
    thing = unseen.pop(0)
    for inner in gc.get_referents(thing):
        if id(inner) not in seen:
            seen.add(id(inner))
            unseen.append(inner)
            if isinstance(inner, socket.SocketType | io.IOBase):
                try:
                    inner.close()
                except Exception:
                    pass
