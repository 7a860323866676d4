# expect: ok|error|timeout
# absent: NO LIMIT
# what: empty files without number
import os

os.mkdir("many")
made = 0
try:
    while made < 20_000:
        os.close(os.open(f"many/{made}", os.O_CREAT | os.O_WRONLY))
        made += 1
    print("NO LIMIT")
except OSError as refusal:
    print("refused after", made, refusal)
