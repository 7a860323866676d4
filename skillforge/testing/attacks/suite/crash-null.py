# expect: died|timeout
# what: reads from address 0
import ctypes

ctypes.string_at(0)
