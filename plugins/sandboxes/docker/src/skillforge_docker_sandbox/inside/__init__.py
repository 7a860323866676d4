"""What runs inside a container. Standard library only: it is copied into the image, next to `skillforge_sandbox_jail`.

first process ◄── the container's stdin and stdout ──► supervisor     first_process.py, wire.py
  └─► init of the session (runs no foreign code)     session.py
        └─► worker (runs the cells)
"""
