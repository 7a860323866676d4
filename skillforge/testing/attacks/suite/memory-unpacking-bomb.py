# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: a small archive that unpacks to gigabytes
import gzip
import io

packed = gzip.compress(bytes(2**25)) * 48
unpacked = gzip.open(io.BytesIO(packed))
held = []
try:
    while part := unpacked.read(2**25):
        held.append(bytearray(part))
    print("NO LIMIT", len(packed), "bytes became", sum(map(len, held)))
except MemoryError:
    print("refused after", len(held) * 32, "MB")
