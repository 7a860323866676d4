"""A small server that speaks NeMo's protocols: written from their description, not NeMo.

It behaves as nemo_toolkit 2.5's text_generation_server.py (`--form classic`) and Export-Deploy's Ray Serve deployment
(`--form deployed`) are described to do, with their quirks, around a small transformers model that really generates.

    python nemo_server.py --form classic --model FOLDER [--port N] [--control FOLDER]

It writes `{"port": N}` when it serves. Each call of the model is a line of JSON in `calls.jsonl` in the control folder; a
file `delay` there holds the seconds that a call takes longer.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

END_OF_TEXT = "<|endoftext|>"
NUMBER = (int, float)


class Engine:
    """Generates batches the way NeMo does: all rows in step, from the shortest prompt to the longest's last token."""

    def __init__(self, folder: Path, control: Path | None) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self._lock = threading.Lock()
        self._control = control

    def __call__(self, sentences: list[str], **settings: Any) -> dict[str, Any]:
        with self._lock, torch.no_grad():
            if self._control is None:
                return self._generate(sentences, **settings)
            began = time.time()
            time.sleep(float((self._control / "delay").read_text()))
            try:
                return self._generate(sentences, **settings)
            finally:
                with (self._control / "calls.jsonl").open("a") as file:
                    print(json.dumps({"sentences": len(sentences), "began": began, "ended": time.time()}), file=file)

    def _generate(
        self,
        sentences: list[str],
        tokens_to_generate: int = 64,
        temperature: float = 1.0,
        greedy: bool = False,
        top_k: int = 0,
        top_p: float = 0.9,
        repetition_penalty: float = 1.0,
        compute_logprob: bool = False,
        end_strings: tuple[str, ...] | list[str] = (END_OF_TEXT,),
        random_seed: int | None = None,
    ) -> dict[str, Any]:
        if random_seed is not None:
            torch.manual_seed(random_seed)
        rows = [self.tokenizer(sentence, add_special_tokens=False).input_ids for sentence in sentences]
        lengths = torch.tensor([len(row) for row in rows])
        at = int(lengths.min())
        last = min(int(lengths.max()) + tokens_to_generate, self.model.config.max_position_embeddings)
        if at >= last:
            raise RuntimeError("the loop that generates has no step")
        eos = self.tokenizer.eos_token_id
        tokens = torch.full((len(rows), max(last, int(lengths.max()))), eos)
        for number, row in enumerate(rows):
            tokens[number, : len(row)] = torch.tensor(row)
        done = torch.zeros(len(rows), dtype=torch.bool)
        seen, cache = tokens[:, :at], None
        while at < last and not done.all():
            out = self.model(seen, past_key_values=cache, use_cache=True)
            logits, cache = out.logits[:, -1].float(), out.past_key_values
            started = lengths <= at
            if greedy:
                new = logits.argmax(-1)
            else:
                used = tokens[:, :at] if compute_logprob else None
                new = _drawn(logits / temperature, top_k, top_p, repetition_penalty, used)
            new = torch.where(started, new, tokens[:, at])
            tokens[:, at] = torch.where(done, eos, new)
            at += 1
            done |= started & self._ended(tokens[:, :at], end_strings)
            seen = tokens[:, at - 1 : at]
        ids = tokens[:, :at].tolist()
        return {
            "sentences": [self._text(row) for row in ids],
            "tokens": [self.tokenizer.convert_ids_to_tokens(row) for row in ids],
            "logprob": [[float("-inf")] * len(row) for row in ids] if compute_logprob else None,
            "token_ids": ids,
            "offsets": [[0] * len(row) for row in ids],
        }

    def _text(self, ids: list[int]) -> str:
        """Special tokens are left out, those of the prompt too."""
        tokens = self.tokenizer.convert_ids_to_tokens(ids)
        special = set(self.tokenizer.all_special_tokens)
        return self.tokenizer.convert_tokens_to_string([token for token in tokens if token not in special])

    def _ended(self, tokens: torch.Tensor, end_strings: tuple[str, ...] | list[str]) -> torch.Tensor:
        """An end string counts where the text ends with it: not where a token goes on after it."""
        ended = tokens[:, -1] == self.tokenizer.eos_token_id
        texts = tuple(each for each in end_strings if each != END_OF_TEXT)
        if texts:
            ended |= torch.tensor([self._text(row).endswith(texts) for row in tokens.tolist()])
        return ended


def _drawn(logits: torch.Tensor, top_k: int, top_p: float, penalty: float, used: torch.Tensor | None) -> torch.Tensor:
    if used is not None and penalty != 1.0:
        logits = logits.scatter(1, used, logits.gather(1, used) / penalty)
    if top_k > 0:
        logits = logits.masked_fill(logits < logits.topk(int(top_k)).values[:, -1:], float("-inf"))
    if 0.0 < top_p < 1.0:
        sorted_logits, order = logits.sort(descending=True)
        probabilities = sorted_logits.softmax(-1)
        above = probabilities.cumsum(-1) - probabilities > top_p
        logits = logits.masked_fill(above.scatter(1, order, above), float("-inf"))
    return torch.multinomial(logits.softmax(-1), 1).view(-1)


def _objection(asked: dict[str, Any]) -> str | None:
    """What the classic server says of an invalid setting, with status 200 and as a JSON string."""
    positive = "must be a positive number less than or equal to"
    rules: list[tuple[str, Any, str]] = [
        ("tokens_to_generate", lambda v: isinstance(v, int) and v >= 1, "must be an integer greater than 0"),
        ("temperature", lambda v: type(v) in NUMBER and 0 < v <= 100, f"{positive} 100.0"),
        ("greedy", lambda v: isinstance(v, bool), "must be a boolean value"),
        ("compute_logprob", lambda v: isinstance(v, bool), "must be a boolean value"),
        ("top_k", lambda v: type(v) in NUMBER and v >= 0, "must be a positive integer number"),
        ("top_p", lambda v: type(v) in NUMBER and 0 <= v <= 1, f"{positive} 1.0"),
        ("repetition_penalty", lambda v: type(v) in NUMBER and v >= 1, "must be a positive number no less than 1.0"),
        ("random_seed", lambda v: v is None or (isinstance(v, int) and v >= 0), "must be a positive integer or None"),
    ]
    for name, valid, words in rules:
        if name in asked and not valid(asked[name]):
            return f"{name} {words}"
    strings = asked.get("end_strings", [])
    if not isinstance(strings, list) or not all(isinstance(each, str) for each in strings):
        return "expect end_strings to be a list of strings"
    return None


class Handler(BaseHTTPRequestHandler):
    """What both forms share. A connection is closed after each answer, as Flask's own server does."""

    engine: Engine
    model_id = "nemo-model"

    def answer(self, status: int, value: Any, **headers: str) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def asked(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_GET(self) -> None:
        self.answer(404, {"message": "Not Found"})

    def log_message(self, *_: Any) -> None:
        pass


class Classic(Handler):
    """PUT /generate."""

    def do_OPTIONS(self) -> None:
        puts = "PUT, POST, " if self.path == "/generate" else ""
        self.answer(200, None, Allow=f"{puts}GET, HEAD, OPTIONS")

    def do_PUT(self) -> None:
        asked = self.asked()
        if self.path != "/generate":
            self.answer(405, {"message": "Method Not Allowed"})
        elif len(asked["sentences"]) > 128:
            self.answer(400, "Maximum number of sentences is 128")
        elif words := _objection(asked):
            self.answer(200, words)
        else:
            try:
                self.answer(200, self.engine(**asked))
            except RuntimeError:
                self.answer(500, {"message": "Internal Server Error"})


class Deployed(Handler):
    """POST /v1/completions/ and /v1/chat/completions/. Stop strings and seeds are passed over; words count as tokens."""

    def do_GET(self) -> None:
        answers = {
            "/v1/health": {"status": "healthy"},
            "/v1/models": {"object": "list", "data": [{"id": self.model_id, "object": "model"}]},
        }
        found = self.path in answers
        self.answer(200 if found else 404, answers[self.path] if found else {"detail": "Not Found"})

    def do_OPTIONS(self) -> None:
        self.answer(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        asked = self.asked()
        if self.path == "/v1/completions/":
            self._complete(asked, asked["prompt"], lambda text: {"text": text})
        elif self.path == "/v1/chat/completions/":
            tokenizer = self.engine.tokenizer
            prompt = tokenizer.apply_chat_template(asked["messages"], tokenize=False, add_generation_prompt=True)
            self._complete(asked, prompt, lambda text: {"message": {"role": "assistant", "content": text}})
        elif self.path.endswith("/completions"):
            self.answer(307, None, Location=self.path + "/")
        else:
            self.answer(404, {"detail": "Not Found"})

    def _complete(self, asked: dict[str, Any], prompt: str, choice: Any) -> None:
        temperature, top_p, top_k = asked.get("temperature", 1.0), asked.get("top_p", 0.0), asked.get("top_k", 0)
        if temperature == 0 and top_p == 0:
            top_k = 1
        most = asked.get("max_tokens", 256)
        try:
            if top_k > 0 and top_p > 0:
                raise RuntimeError("Cannot have top-p and top-k both greater than zero")
            settings = {"temperature": temperature or 1.0, "top_k": top_k, "top_p": top_p, "greedy": top_k == 1}
            ids = self.engine([prompt], tokens_to_generate=most, **settings)["token_ids"][0]
            new = ids[len(self.engine.tokenizer(prompt, add_special_tokens=False).input_ids) :]
            text = self.engine.tokenizer.decode(new, skip_special_tokens=True)
        except RuntimeError as error:
            text = f"An error occurred: {error}"
        reason = "length" if len(text) >= most else "stop"
        words = {"prompt_tokens": len(prompt.split()), "completion_tokens": len(text.split())}
        self.answer(
            200,
            {
                "model": self.model_id,
                "choices": [{"index": 0, **choice(text), "finish_reason": reason, "logprobs": None}],
                "usage": words,
            },
        )


class Server(ThreadingHTTPServer):
    """A thread for each request."""

    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell of."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--form", choices=("classic", "deployed"), required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    handler = Classic if given.form == "classic" else Deployed
    handler.engine = Engine(given.model, given.control)
    with Server(("127.0.0.1", given.port), handler) as server:
        print(json.dumps({"port": server.server_port}), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
