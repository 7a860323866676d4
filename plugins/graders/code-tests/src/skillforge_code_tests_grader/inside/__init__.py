"""What runs inside the sandbox: modules whose source text goes to the sessions; standard library only.

the grading process ──► the session of the tests      plain_data, testing
                    └─► the session of the code       plain_data, choosing, candidate, or choosing and program
"""
