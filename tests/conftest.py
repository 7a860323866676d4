"""Fixtures for the tests of the core."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / "support"))

LONGEST = ["attacks", "vllm", "triton", "docker", "transformers", "nemo"]
"""Groups of tests that take up to minutes, each in one process: they begin first, so that none is left for the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        group = item.get_closest_marker("xdist_group")
        return LONGEST.index(group.args[0]) if group and group.args[0] in LONGEST else len(LONGEST)

    items.sort(key=turn)


@pytest.fixture(scope="session")
def scripted_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of scripted parts, as pip would install it."""
    import scripted_parts

    folder = tmp_path_factory.mktemp("site")
    scripted_parts.install(folder)
    return folder


@pytest.fixture
def scripted(scripted_site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The scripted parts are installed, and the current folder is empty. Gives the environment for other processes."""
    from skillforge.registry import default_registry

    monkeypatch.syspath_prepend(str(scripted_site))
    monkeypatch.delenv("SKILLFORGE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    default_registry.cache_clear()
    yield {"PYTHONPATH": str(scripted_site)}
    default_registry.cache_clear()
