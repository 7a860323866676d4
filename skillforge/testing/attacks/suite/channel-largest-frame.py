# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: messages just small enough to be taken, again and again, of the most costly kind of JSON
import os
import time

body = b"[" * 2**20 + b"]" * 2**20
frame = len(body).to_bytes(4, "big") + body
many = b'{"nonce":"","status":"ready","pid":2}'
frames = (len(many).to_bytes(4, "big") + many) * 20_000
end = time.monotonic() + 2
for data in (frames, frame):
    for number in range(3, 512):
        try:
            os.set_blocking(number, False)
            rest = memoryview(data)
            while rest and time.monotonic() < end:
                try:
                    rest = rest[os.write(number, rest) :]
                except BlockingIOError:
                    time.sleep(0.001)
        except OSError:
            pass
