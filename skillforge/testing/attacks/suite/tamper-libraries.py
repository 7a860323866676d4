# expect: ok|error|exit
# absent: WROTE
# absent: ESCAPED
# what: changes the interpreter's own files, and leaves modules that others would import at their start
import os
import site
import sys
import tempfile

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass
own = tuple({os.path.realpath(path) for path in (tempfile.gettempdir(), os.getcwd(), os.path.expanduser("~"))})
folders = {os.path.dirname(os.__file__), sys.prefix, os.path.dirname(sys.executable), *sys.path, *site.getsitepackages()}
for folder in filter(None, folders):
    for name in ("skillforge_left.py", "skillforge_left.pth"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("import sys\n")
        except OSError:
            continue
        if not os.path.realpath(folder).startswith(own):
            print("WROTE", folder, name)
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None)
    if path and not path.startswith(own):
        for way in (lambda: open(path, "ab").close(), lambda: os.utime(path), lambda: os.chmod(path, 0o644)):
            try:
                way()
                print("WROTE", path)
            except OSError:
                pass
os.makedirs(site.getusersitepackages(), exist_ok=True)
with open(os.path.join(site.getusersitepackages(), "skillforge_left.py"), "w") as file:
    file.write("stolen = True\n")
