"""What decides completions besides the request: weights, options, addresses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from skillforge import ModelRef, PartOptions, SkillForgeError, Target
from skillforge.cache import origin
from skillforge.cache.origin import Origin, fingerprint, origin_of
from skillforge.parts.part import OPERATIONAL


class Options(PartOptions, frozen=True):
    adapter: Annotated[str | None, Meta(description="Folder of an adapter.")] = None
    adapters: Annotated[tuple[str, ...], Meta(description="NAME=FOLDER.")] = ()
    device: Annotated[str, Meta(description="Where it runs.", extra=OPERATIONAL)] = "auto"


def of(*urls: str | None, location: str = "m", **options: Any) -> Origin:
    targets = [Target(ModelRef("m", location), url) for url in urls or (None,)]
    return origin_of(targets, "package:backend", "1.0", Options(**options))


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights, in which 100,000 bytes and more are large."""
    monkeypatch.setattr(origin, "WHOLE_BYTES", 100_000)
    monkeypatch.setattr(origin, "PIECE_BYTES", 1000)
    folder = tmp_path / "weights"
    (folder / "1").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "1" / "model.bin").write_bytes(bytes(150_000))
    return folder


def rewrite(file: Path, content: bytes) -> None:
    """New content, with the old time of change."""
    before = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(before, before))


def test_the_same_files_have_the_same_fingerprint(weights: Path) -> None:
    before = fingerprint(weights)
    (weights / ".cache").mkdir()
    (weights / ".cache" / "lock").write_text("x")
    (weights / ".hidden").write_text("x")
    rewrite(weights / "config.json", b"{}")
    os.utime(weights / "config.json")
    assert fingerprint(weights) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: rewrite(folder / "config.json", b"[]"),
        lambda folder: (folder / "adapter.json").write_text("{}"),
        lambda folder: (folder / "config.json").rename(folder / "other.json"),
        lambda folder: rewrite(folder / "1" / "model.bin", bytes(149_999) + b"x"),
        lambda folder: rewrite(folder / "1" / "model.bin", bytes(70_000) + b"x" * 10_000 + bytes(70_000)),
        lambda folder: rewrite(folder / "1" / "model.bin", bytes(150_001)),
        lambda folder: os.utime(folder / "1" / "model.bin", (0, 0)),
    ],
    ids=["small", "one-more", "renamed", "end-of-large", "middle-of-large", "size-of-large", "time-of-large"],
)
def test_other_files_have_another(weights: Path, change: Any) -> None:
    before = of(location=str(weights))
    change(weights)
    assert of(location=str(weights)) != before


def test_files_that_options_name_count(weights: Path) -> None:
    def both() -> tuple[Origin, Origin]:
        return of(adapter=str(weights)), of(adapters=(f"sums={weights}",))

    before = both()
    rewrite(weights / "config.json", b"[]")
    assert all(new != old for new, old in zip(both(), before, strict=True))


def test_operational_options_do_not_count() -> None:
    assert of(device="cpu") == of(device="cuda")
    assert of(adapter="a") != of(adapter="b")


def test_an_address_counts_however_it_is_written() -> None:
    here = of("http://localhost:8000/v1")
    assert of("HTTP://user:secret@LocalHost:8000/v1/#x") == here
    assert of("http://localhost:8001/v1") != here
    assert of("http://localhost:8000/v1?deployment=b") != here
    assert of("http://b/v1", "http://a/v1") == of("http://a/v1", "http://b/v1")
    assert "secret" not in repr(of("http://user:secret@host/v1"))


def test_a_file_that_cannot_be_read_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SkillForgeError, match=r"cannot read .*model\.bin|config\.json: Permission denied; .*--cache"):
        of(location=str(weights))
