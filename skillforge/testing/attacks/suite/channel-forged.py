# expect: timeout|died|protocol-violation|output-limit|error
# what: answers in the sandbox's place, in every framing one could think of, and then goes on
import json
import os
import struct

for nonce in ("", None, 0, "0" * 16, "a" * 64):
    for status in ("ok", "ready", "snapshot"):
        claim = {"nonce": nonce, "status": status, "value": "FORGED", "stdout": "FORGED", "pid": 1, "event": "swept", "of": 0}
        body = json.dumps(claim).encode()
        for frame in (
            struct.pack(">I", len(body)) + body, struct.pack("<I", len(body)) + body, struct.pack(">Q", len(body)) + body,
            body + b"\n", b"Content-Length: %d\r\n\r\n" % len(body) + body, b"%x\r\n" % len(body) + body + b"\r\n",
        ):  # fmt: skip
            for number in range(3, 512):
                try:
                    os.set_blocking(number, False)
                    os.write(number, frame)
                except OSError:
                    pass
while True:
    pass
