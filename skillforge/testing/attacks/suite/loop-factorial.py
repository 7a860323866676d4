# expect: timeout|oom|died|error
# limit: 1
# what: arithmetic on numbers so long that one operation outlasts the limit
import math

digits = math.factorial(10**7) ** 97
