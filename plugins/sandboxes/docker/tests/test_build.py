"""The image, and what is told where it or the engine is missing."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from skillforge import SandboxUnusable, UsageError
from skillforge_docker_sandbox import BuildCommand, DockerSandbox, image

NOWHERE = "unix:///nowhere/docker.sock"

pytestmark = pytest.mark.xdist_group("docker")


def build(*arguments: str) -> Any:
    return CliRunner().invoke(BuildCommand().command(), arguments)


@pytest.fixture(scope="module")
def tags(engine: Any) -> Iterator[list[str]]:
    """Names of images. They are removed at the end, so that the steps of one build serve the next."""
    names: list[str] = []
    yield names
    for name in filter(engine.images, names):
        engine.remove_image(name)


@pytest.fixture
def tag(tags: list[str]) -> str:
    tags.append(f"skillforge-sandbox-test:{uuid.uuid4().hex[:12]}")
    return tags[-1]


@pytest.fixture
def not_a_root(tmp_path: Path) -> Path:
    """A root file system in which there is no Python."""
    file = tmp_path / "base.tar"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo("hello")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    return file


def test_an_image_upon_another_one_runs_sessions(docker: Any, tag: str) -> None:
    result = build("--base", docker.image, "--tag", tag)
    assert result.exit_code == 0, result.output
    assert f"building {tag}" in result.stderr
    assert "Step 1/" in result.stderr
    assert result.stdout.startswith(f"{tag} sha256:")
    (execution,) = docker.cells("import sympy; print(sympy.factorint(12))", image=tag)
    assert execution.stdout == "{2: 2, 3: 1}\n"


def test_quiet_tells_only_the_result(docker: Any, tag: str) -> None:
    result = build("--base", docker.image, "--tag", tag, "--quiet")
    assert result.output.startswith(f"{tag} sha256:")
    assert len(result.output.splitlines()) == 1


def test_a_base_without_python_is_told(engine: Any, tag: str, not_a_root: Path) -> None:
    result = build("--base-tar", str(not_a_root), "--tag", tag)
    assert isinstance(result.exception, SandboxUnusable)
    assert "the image was not built" in str(result.exception)


def test_a_base_that_does_not_exist_is_told(engine: Any, tag: str) -> None:
    result = build("--base", "no-such-registry.invalid/image:1", "--tag", tag)
    assert isinstance(result.exception, SandboxUnusable)
    assert "no-such-registry.invalid" in str(result.exception)


def test_a_wrong_name_is_told(engine: Any) -> None:
    result = build("--tag", "Not A Name")
    assert isinstance(result.exception, SandboxUnusable)
    assert "invalid" in str(result.exception)


def test_two_bases_are_refused(tmp_path: Path) -> None:
    tar = tmp_path / "base.tar"
    tar.touch()
    result = build("--base", "python:3.11", "--base-tar", str(tar))
    assert isinstance(result.exception, UsageError)


def test_a_missing_image_is_told(docker: Any) -> None:
    with pytest.raises(
        SandboxUnusable, match="no image no-such-image:1; run `skillforge sandbox build --tag no-such-image:1`"
    ):
        docker.cells("1", image="no-such-image:1")


def test_an_image_with_other_code_is_told(engine: Any, docker: Any, tag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert build("--base", docker.image, "--tag", tag).exit_code == 0
    monkeypatch.setattr(image, "jail_version", lambda: "another")
    with pytest.raises(SandboxUnusable, match="another version of SkillForge"):
        docker.cells("1", image=tag)


def test_an_image_of_somebody_elses_is_told(engine: Any, docker: Any, tag: str, not_a_root: Path) -> None:
    engine.import_image_from_file(str(not_a_root), *tag.split(":"))
    with pytest.raises(SandboxUnusable, match="was not made for SkillForge"):
        docker.cells("1", image=tag)


def test_a_missing_engine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    result = build()
    assert isinstance(result.exception, SandboxUnusable)
    assert "no Docker engine answers at" in str(result.exception)
    assert "DOCKER_HOST" in str(result.exception)
    (finding,) = DockerSandbox().diagnose()
    assert (finding.name, finding.state) == ("Docker engine", "missing")
    assert finding.fix


def test_what_the_engine_can_do_is_found(engine: Any) -> None:
    found = {finding.name: finding for finding in DockerSandbox().diagnose()}
    assert found["Docker engine"].state == "ok"
    assert found["image"].state in ("ok", "missing")
    assert found["limits"].detail


def test_the_context_holds_what_the_dockerfile_copies() -> None:
    with tarfile.open(fileobj=image.context()) as tar:
        names = tar.getnames()
        lines = tar.extractfile("Dockerfile").read().decode().splitlines()  # type: ignore[union-attr]
    for line in lines:
        if line.startswith("COPY"):
            assert any(name.startswith(line.split()[1]) for name in names)
    assert "jail/skillforge_docker_sandbox/inside/first_process.py" in names
    assert "jail/skillforge_sandbox_jail/worker.py" in names
