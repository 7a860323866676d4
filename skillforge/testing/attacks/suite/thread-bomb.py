# expect: ok|error|timeout|oom|died
# what: as many threads as there can be
# absent: NO LIMIT
import threading

started = 0
release = threading.Event()
try:
    while started < 4000:
        threading.Thread(target=release.wait, args=(20,), daemon=True).start()
        started += 1
    print("NO LIMIT")
except RuntimeError as refusal:
    print("stopped after", started, refusal)
