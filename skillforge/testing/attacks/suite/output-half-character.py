# expect: ok
# what: ends in the middle of a character, which must not eat into the next cell
import os

os.write(1, b"\xf0\x9f\x8d")
os.write(2, b"\xe2\x82")
