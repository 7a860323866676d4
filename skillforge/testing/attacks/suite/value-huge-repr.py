# expect: ok|error|oom|died|timeout
# what: a value whose repr has hundreds of megabytes
class Huge:
    def __repr__(self):
        return "h" * (400 * 2**20)


Huge()
