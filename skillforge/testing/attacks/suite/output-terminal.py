# expect: ok
# shows: THE END
# what: control sequences of terminals, text that turns around, halves of characters
import os
import sys

print("\x1b]0;title\x07\x1b]52;c;Y2FuYXJ5\x07\x1b[2J\x1b[H\x1b[8m\x1b[?1049h\x9b31m\x07\x08\x08\x7f\x00\r")
print("\u202e\u2066\u200b\ufeff", "\udc80\ud83d", chr(0x10FFFF), "e" + "\u0301" * 500)
sys.stdout.flush()
os.write(1, bytes(range(128, 256)) + b"\xc0\x80\xed\xa0\x80\xf5\x80\n")
print("THE END")
"\udfff\x1b[31m"
