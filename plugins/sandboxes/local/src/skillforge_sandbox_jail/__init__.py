"""What runs on the far side of the wall: the zygote, the init process of a session, and the worker that runs code.

Standard library and ctypes only: it is imported by whatever Python the code is to run in.

    launcher ──► zygote (pid 1 of the pool, modules imported)     zygote.py, rootfs.py
                   ├─► init (pid 1 of a session; runs no foreign code)     init.py
                   │     └─► worker (runs the cells)     worker.py, confinement.py
                   └─► init …
"""

PROTOCOL = 1
"""Grows by one when the two sides of an older and a newer package no longer understand each other."""
