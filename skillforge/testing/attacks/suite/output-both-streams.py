# expect: output-limit|timeout|died|ok|error
# what: floods of both streams, from several threads at once
import sys
import threading


def flood(stream):
    while True:
        stream.write("flood " * 4096 + "\n")
        stream.flush()


threads = [threading.Thread(target=flood, args=(stream,)) for stream in (sys.stdout, sys.stderr) * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
