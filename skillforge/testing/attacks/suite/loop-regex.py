# expect: timeout
# limit: 1
# what: a regular expression that backtracks for ages inside one call of C code
import re

re.fullmatch(r"(x+x+)+y", "x" * 64)
