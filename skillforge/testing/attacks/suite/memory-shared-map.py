# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: shared anonymous memory, which belongs to no single process
import mmap

held = []
try:
    while len(held) < 24:
        area = mmap.mmap(-1, 2**26, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        for page in range(0, len(area), mmap.PAGESIZE):
            area[page] = 1
        held.append(area)
    print("NO LIMIT")
except (OSError, ValueError, MemoryError) as refusal:
    print("refused after", len(held) * 64, "MB:", refusal)
