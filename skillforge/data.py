"""Reading benchmark data: upstream files from a folder, or datasets from the Hugging Face hub."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.text import one_line, storable


class HubDataset(msgspec.Struct, frozen=True):
    """A dataset on the Hugging Face hub: repository, configuration, split."""

    repo: str
    config: str | None
    split: str


class DataRead(msgspec.Struct, frozen=True):
    """What was read: a file's or dataset's name, and the SHA-256 of its bytes (file) or of its rows as JSON (hub)."""

    name: str
    sha256: str


class Row(msgspec.Struct, frozen=True):
    """One raw row and where it stands (`gsm8k/test.jsonl:17`)."""

    where: str
    values: Mapping[str, Any]

    def text(self, field: str) -> str:
        """The string in `field`; an error with file and line where it is missing or something else."""
        value = self.values.get(field)
        if not isinstance(value, str):
            found = "is missing" if field not in self.values else f"is {type(value).__name__}, not text"
            raise self.malformed(f"field '{field}' {found}")
        return value

    def malformed(self, problem: str) -> SkillForgeError:
        """The error to raise for a row that is not as it should be."""
        return SkillForgeError(f"{self.where}: {problem}", "correct the row or fetch the file again")


class DataSource:
    """Where benchmarks read from. With `data_dir` only local files count; without, the hub is asked.

    A source may be read again: a file is opened anew, a hub dataset is kept.
    """

    def __init__(self, data_dir: Path | None = None) -> None:
        self.data_dir = data_dir
        self._reads: dict[str, DataRead] = {}
        self._tables: dict[HubDataset, Any] = {}

    @property
    def reads(self) -> list[DataRead]:
        """What was read so far, with checksums."""
        return list(self._reads.values())

    def rows(self, file: str, hub: HubDataset | None = None) -> Iterator[Row]:
        """The rows of the JSON-lines `file` (a path below the data folder), or of `hub` where no data folder is set."""
        if self.data_dir is not None:
            return self._file_rows(self._find(file), file)
        if hub is None:
            raise UsageError(f"{file}: no data folder is set", "give --data-dir DIR or set SKILLFORGE_DATA")
        return self._hub_rows(hub)

    def own_rows(self, path: Path) -> Iterator[Row]:
        """The rows of the JSON-lines file at `path`: one that a plugin's package brings, wherever the data folder is."""
        return self._file_rows(path, path.name)

    def _find(self, file: str) -> Path:
        assert self.data_dir is not None
        for path in (self.data_dir / file, self.data_dir / Path(file).name):
            if path.is_file():
                return path
        raise UsageError(
            f"no file {self.data_dir / file}",
            f"put the upstream file there, or point --data-dir at the folder that holds {file}",
        )

    def _file_rows(self, path: Path, name: str) -> Iterator[Row]:
        try:
            with path.open("rb") as stream:
                if name not in self._reads:
                    self._reads[name] = DataRead(name, hashlib.file_digest(stream, "sha256").hexdigest())
                    stream.seek(0)
                for number, line in enumerate(stream, 1):
                    if number == 1:
                        line = line.removeprefix(codecs.BOM_UTF8)
                    if line.strip():
                        yield Row(f"{name}:{number}", _decode(line, f"{path}:{number}"))
        except OSError as error:
            raise SkillForgeError(
                f"cannot read {path}: {error.strerror}", "check the file and its permissions"
            ) from error

    def _hub_rows(self, hub: HubDataset) -> Iterator[Row]:
        name = "/".join(filter(None, (hub.repo, hub.config, hub.split)))
        if hub not in self._tables:
            self._tables[hub] = _load_hub(hub)
            digest = hashlib.sha256()
            for row in self._tables[hub]:
                digest.update(msgspec.json.encode(row))
            self._reads[name] = DataRead(name, digest.hexdigest())
        for number, row in enumerate(self._tables[hub]):
            yield Row(f"{name}[{number}]", row)


_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _decode(line: bytes, where: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _SURROGATE.search(line):
            with contextlib.suppress(ValueError, RecursionError):  # Python writes half a pair, msgspec reads none
                return dict(storable(json.loads(line)))
        raise SkillForgeError(f"{where}: not a JSON object ({one_line(str(error))})", "correct the line") from error


def _load_hub(hub: HubDataset) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            f"the hub dataset {hub.repo} needs the package 'datasets'",
            "pip install 'skillforge[hub]', or give --data-dir DIR",
        ) from error
    # The library tells of each of its own retries in several lines; what failed in the end is said once, below.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    logging.getLogger("datasets").setLevel(logging.ERROR)
    try:
        return datasets.load_dataset(hub.repo, hub.config, split=hub.split)
    except Exception as error:  # the library raises its own, requests', httpx' and OSError alike
        raise SkillForgeError(
            f"cannot load the dataset {hub.repo} from the hub: {one_line(str(error))}",
            "check the connection, or give --data-dir DIR (or SKILLFORGE_DATA) with the upstream files",
        ) from error
