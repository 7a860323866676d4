"""The server of nemo_server.py in a process of its own, and one that answers what a test wrote down."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import Client, Completion, ModelRef, Request, Sampling, Target
from skillforge_nemo_backend import NemoBackend, NemoOptions

SCRIPT = Path(__file__).parent / "nemo_server.py"
MODEL = "nemo-model"


class Process:
    """A running nemo_server.py."""

    def __init__(self, folder: Path, form: str, model: str) -> None:
        self._folder = folder
        self._command = [sys.executable, str(SCRIPT), "--form", form, "--model", model, "--control", str(folder)]
        self.port = 0
        self.slow_down(0)
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, again on the port that it had."""
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        command = [*self._command, "--port", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self._process.stdout is not None
        self.port = int(json.loads(self._process.stdout.readline())["port"])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def slow_down(self, seconds: float) -> None:
        """Let each call of the model take longer."""
        (self._folder / "delay").write_text(str(seconds))

    def calls(self) -> list[dict[str, Any]]:
        """Each call of the model since the last look: how many sentences, when it began and ended."""
        log = self._folder / "calls.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Process]]:
    """Start a server of this form with this model; it ends with the session."""
    running: list[Process] = []

    def start_one(form: str, model: str) -> Process:
        running.append(Process(tmp_path_factory.mktemp("nemo"), form, model))
        return running[-1]

    yield start_one
    for process in running:
        process.kill()


@pytest.fixture(scope="session")
def tiny() -> str:
    """The folder of the model tiny."""
    return str(pytest.importorskip("skillforge_tiny").WEIGHTS)


@pytest.fixture(scope="session")
def classic(start: Callable[..., Process], tiny: str) -> Process:
    return start("classic", tiny)


@pytest.fixture(scope="session")
def deployed(start: Callable[..., Process], tiny: str) -> Process:
    return start("deployed", tiny)


@pytest.fixture(scope="session")
def byte_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Llama of random weights with byte-level tokens, which gives back any text: tiny knows a few words only."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("byte-model")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = [*map(chr, range(33, 127)), "Ġ", "Ċ", "Ã", "©"]
    special = ["<pad>", "<eos>", "<|user|>"]
    inner.train_from_iterator(
        ["the cat sat on the mat and one two three four"],
        trainers.BpeTrainer(vocab_size=140, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    names = {"pad_token": "<pad>", "eos_token": "<eos>", "extra_special_tokens": {"user_token": "<|user|>"}}
    PreTrainedTokenizerFast(tokenizer_object=inner, **names).save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(**shape, vocab_size=len(inner.get_vocab()), max_position_embeddings=256, initializer_range=0.3)
    LlamaForCausalLM(config).save_pretrained(folder)
    return str(folder)


Call = Callable[[Client], Awaitable[Any]]


def run(url: str, call: Call, model: str = MODEL, **options: Any) -> Any:
    """What `call` gives of a client of the server at `url`."""

    async def go() -> Any:
        async with NemoBackend().open(Target(ModelRef(model, model), url), NemoOptions(**options)) as client:
            return await call(client)

    return asyncio.run(asyncio.wait_for(go(), 180))


def ask(
    url: str, prompt: Any, seed: int | None = None, *, options: dict[str, Any] | None = None, **sampling: Any
) -> Completion:
    """One completion."""
    request = Request(prompt, Sampling(**sampling), seed)
    done = run(url, lambda client: client.complete(request), **options or {})
    assert isinstance(done, Completion)
    return done


class Written:
    """A server on the loopback interface that gives `answer(method, path, body)`: (status, body); None hangs up."""

    def __init__(self, answer: Callable[[str, str, Any], Any]) -> None:
        self._answer = answer
        self.received: list[tuple[str, str, Any]] = []
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Written:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            method, path, _ = head[0].split()
            size = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length")), 0)
            body = json.loads(await reader.readexactly(size)) if size else None
            self.received.append((method, path, body))
            answer = self._answer(method, path, body)
            if answer == "hang":
                await reader.read()
                self.lost.set()
            elif answer is not None:
                status, value = answer
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                allow = "Allow: PUT\r\n" if method == "OPTIONS" and status == 200 else ""
                lines = f"HTTP/1.1 {status} X\r\n{allow}Connection: close\r\nContent-Length: {len(content)}\r\n\r\n"
                writer.write(lines.encode() + content)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
def lab() -> SimpleNamespace:
    """The helpers above."""
    return SimpleNamespace(run=run, ask=ask, Written=Written, MODEL=MODEL)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEMO_API_KEY", raising=False)
