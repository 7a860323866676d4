# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: memory in blocks, each page written to, caught where Python is refused more
held = []
try:
    while len(held) < 1536:
        held.append(b"\1" * 2**20)
    print("NO LIMIT")
except MemoryError:
    print("refused after", len(held), "MB")
