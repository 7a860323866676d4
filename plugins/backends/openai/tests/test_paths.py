"""What is cut out of a server's words, and what is none of its paths."""

from __future__ import annotations

import pytest

from skillforge_openai.paths import without_paths


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("cannot open /lustre/projects/u/ckpt/model.bin", "cannot open …/model.bin"),
        ("at /a/b", "at …/b"),
        ("['/gpfs/u/x', \"/gpfs/u/y\"]", "['…/x', \"…/y\"]"),
        ("path=/gpfs/u/x:12, (/gpfs/u/y)", "path=…/x:12, (…/y)"),
        ("File:/gpfs//u/Ärni_1/x-2.py.", "File:…/x-2.py."),
        ("/dev/shm/psm_1a2b", "…/psm_1a2b"),
        ("/gpfs/lr:0.1,[2]/(u)/x", "…/x"),
        ("“/gpfs/u/x”", "“…/x”"),
        (r"a\n/gpfs/u/x\n/gpfs/u/y", r"a\n…/x\n…/y"),
        ("in '/Volumes/My Disk/u/x y.gguf' it", "in '…/x y.gguf' it"),
        (r"and C:\Users\bob\secret\model.bin and", "and …/model.bin and"),
        (r"'c:\\Users\\bob\\model.bin'", "'…/model.bin'"),
        (r"D:\Program Files\bob\x.dll", "…/x.dll"),
        ("E:/models/bob/x.gguf", "…/x.gguf"),
        (r"\\host\share\x and", "…/x and"),
        (r"'\\\\host\\share\\bob\\x'", "'…/x'"),
        ("file:///gpfs/secret/u and", "…/u and"),
        ("file://host/gpfs/u", "…/u"),
        ("s3://bucket/bob/x.safetensors", "…/x.safetensors"),
        ("unix:///run/bob/x.sock", "…/x.sock"),
        ("see https://host/v1 or /gpfs/u/x", "see https://host/v1 or …/x"),
    ],
)
def test_the_last_step_of_a_path_is_left(said: str, shown: str) -> None:
    assert without_paths(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "3/4 of it, 1/2/3, 7 /8/9, 16:9, 2024/10/21, 10/21/2024, and/or, n/a, w/o, km/h",
        "not text/event-stream, application/json or meta-llama/Llama-3/x",
        "https://example.org/opt/help, http://[::1]:8000/opt/x and ws://host/a/b?c=/home/ann",
        "POST /v1/chat/completions, /v1beta/models/x, /v2/models/ensemble/generate, /generate, /generate_stream, /health/ready",
        "/openai/deployments/m, /api/v1/models, /api/generate, /chat/completions",
        r"$\frac{a}{b}/c/d$, f:\mathbb{R}\to\mathbb{R}, 1\\x\cdot y, a \\ b \\\hline c, \alpha/\beta",
        "</think> <|im_end|> <a></b></c>, 1 / 2 / 3, // a comment, x//y//z, /models, C:",
        "'#/definitions/x', ./a/b, ../a/b, ~/a/b, {a}/b/c",
    ],
)
def test_what_is_no_path_stays(said: str) -> None:
    assert without_paths(said) == said


def test_a_long_message_takes_no_long_time() -> None:
    pieces = (
        "/",
        "/a",
        "a/",
        "\\",
        "\\\\a",
        "C:\\",
        "C:\\a ",
        "'/a ",
        "a://",
        "file:",
        " /1/2",
        "a b ",
        "a.",
        "=/",
        ":/=",
    )
    for piece in pieces:
        assert without_paths(piece * 50_000)
