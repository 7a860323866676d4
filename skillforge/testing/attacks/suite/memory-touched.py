# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: memory in blocks, each page written to, caught where Python is refused more
held = []
try:
    while len(held) < 96:
        held.append(b"\1" * 2**24)
    print("NO LIMIT")
except MemoryError:
    print("refused after", len(held) * 16, "MB")
