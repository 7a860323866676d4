"""One `transformers serve` with the embedded model, for all tests that ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from transformers_server import TransformersServer, transformers_server

from skillforge_tiny import WEIGHTS


@pytest.fixture(scope="session")
def transformers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TransformersServer]:
    with transformers_server(WEIGHTS, tmp_path_factory.mktemp("server") / "log") as server:
        yield server
