# expect: ok|error
# absent: READ
# what: reads the files where secrets are kept, and the canary, by all ways around
import glob
import os

CANARY = "tmp/skillforge-canary.txt"
paths = ["/" + CANARY, "../" * 40 + CANARY, "//" + CANARY, "/proc/self/cwd/" + "../" * 40 + CANARY]
paths += [f"/proc/{pid}/{way}/{CANARY}" for pid in ("self", "1", os.getppid()) for way in ("root", "cwd", "cwd/../../..")]
paths += [f"/proc/self/fd/{number}/{'../' * 8}{CANARY}" for number in range(64)]
paths += ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/run/secrets/kubernetes.io/serviceaccount/token"]
for home in ["/root", *glob.glob("/home/*"), os.path.expanduser("~")]:
    for name in (".ssh/id_rsa", ".ssh/id_ed25519", ".ssh/authorized_keys", ".aws/credentials", ".netrc", ".bash_history",
                 ".bashrc", ".profile", ".kube/config", ".docker/config.json", ".cache/huggingface/token", ".gitconfig"):
        paths.append(f"{home}/{name}")
for path in paths:
    try:
        with open(path, "rb") as file:
            text = file.read(200)
    except OSError:
        continue
    print("READ", path, text)
