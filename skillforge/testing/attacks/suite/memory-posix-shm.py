# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: POSIX shared memory, with the helper process that Python starts for it
from multiprocessing import shared_memory

held = []
try:
    while len(held) < 12:
        block = shared_memory.SharedMemory(create=True, size=2**27)
        held.append(block)
        block.buf[:] = bytes(2**27)
    print("NO LIMIT")
except (OSError, MemoryError) as refusal:
    print("refused after", len(held), "blocks:", refusal)
