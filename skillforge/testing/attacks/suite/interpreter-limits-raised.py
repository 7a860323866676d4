# expect: ok|error
# absent: RAISED
# what: raises its limits and its priority, and takes itself off the list of the out-of-memory killer
import os
import resource

for name in dir(resource):
    if name.startswith("RLIMIT_"):
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        if hard != resource.RLIM_INFINITY:
            try:
                resource.setrlimit(kind, (hard, hard + 1))
                print("RAISED", name)
            except (OSError, ValueError):
                pass
try:
    print("RAISED the priority to", os.nice(-5))
except OSError:
    pass
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print("RAISED to real time")
except OSError:
    pass
try:
    with open("/proc/self/oom_score_adj") as file:
        before = int(file.read())
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(before - 1 if before > -1000 else before))
        file.flush()
    print("RAISED: is killed later than", before)
except OSError:
    pass
