"""Wire: what a request says to a model, and what the responses come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skillforge import Completion, Request, RequestFailed, RequestRefused, UsageError
from skillforge_trtllm.interface import OUTPUTS, TEXT, Interface
from skillforge_trtllm.links import Outputs
from skillforge_trtllm.stops import StopStrings

_TOLD_WHERE_POSSIBLE = ("tell_finish_reason", "tell_stop_reason", "tell_prompt_tokens", "tell_completion_tokens")
_BEFORE_PROMPT = 32  # characters of a token for the beginning, which a repeated prompt may have before it
_DOES_NOT_COUNT = frozenset({"timeout", "cancelled"})


def spoken(request: Request) -> dict[str, Any]:
    """What `request` says, by the names of `INPUTS`. Raises UsageError for what no model of TensorRT-LLM's takes."""
    if not isinstance(request.prompt, str):
        raise UsageError(
            "a TensorRT-LLM model behind Triton takes raw text, and this prompt is a chat",
            "choose a --prompt that writes text, or serve with trtllm-serve and set -o backend.server=trtllm-serve",
        )
    sampling = request.sampling
    if sampling.logprobs:
        raise UsageError("a TensorRT-LLM model behind Triton tells no alternatives", "set --logprobs 0")
    try:
        request.prompt.encode()
    except UnicodeEncodeError as error:
        raise RequestRefused(
            f"the prompt has half a character in it (surrogate U+{ord(error.object[error.start]):04X})",
            "correct the benchmark's data",
        ) from None
    said = {
        "prompt": request.prompt,
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": request.seed,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logprobs": None if sampling.logprobs is None else True,
    }
    if sampling.temperature == 0:
        # Not all versions take 0; drawing from the single likeliest token is greedy in all of them.
        said |= {"temperature": None, "top_k": 1, "top_p": None}
    elif sampling.temperature is not None and sampling.top_k is None and sampling.top_p is None:
        # With neither, TensorRT-LLM is greedy whatever the temperature.
        said["top_p"] = 1.0
    return {name: value for name, value in said.items() if value is not None}


def is_streamed(model: Interface, heard: bool) -> bool:
    """Whether to ask for the answer in pieces, which costs both sides a message for each token.

    It is where somebody hears them, and where the number of pieces is all that tells whether the answer was cut.
    """
    tells_its_end = not model.lacks(("tell_finish_reason",)) or not model.lacks(("tell_completion_tokens",))
    return model.decoupled and (heard or not tells_its_end or "stream" not in model.inputs)


def values_for(request: Request, model: Interface, streamed: bool) -> dict[str, Any]:
    """What to send to `model`. Raises UsageError for a setting that it lacks, before anything is sent."""
    said = spoken(request)
    for name in model.lacks(said):
        flag = "a text prompt" if name == "prompt" else f"--{name.replace('_', '-')}"
        raise UsageError(
            f"the Triton model '{model.model}' has no input for {flag}", "leave it out, or ask another model"
        )
    limit = model.inputs.get("max_tokens")
    if limit is not None and not limit.optional and "max_tokens" not in said:
        raise UsageError(f"the Triton model '{model.model}' wants a limit of tokens", "set --max-tokens")
    extra = dict.fromkeys((*_TOLD_WHERE_POSSIBLE, "answer_only"), True)
    extra["stream"] = streamed
    return said | {name: value for name, value in extra.items() if not model.lacks((name,))}


def outputs_for(values: Mapping[str, Any]) -> list[str]:
    """The names of the outputs to ask for with `values`."""
    return [TEXT, *(OUTPUTS[name] for name in values if name in OUTPUTS)]


class Answer:
    """The responses to one request, as they come; `on_text` is told what can no longer be part of a stop string."""

    def __init__(
        self, request: Request, model: Interface, streamed: bool, on_text: Callable[[str], None] | None = None
    ) -> None:
        self._request = request
        self._model = model
        self._streamed = streamed
        self._on_text = on_text
        self._stops = StopStrings(request.sampling.stop)
        self._text = ""
        self._responses = 0
        self._told: dict[str, list[Any]] = {}
        self._logprobs: list[dict[str, object]] = []

    def add(self, outputs: Outputs) -> None:
        """Read one response; one without a text counts for nothing.

        Raises RequestFailed where its text is none, RequestRefused where the answer cannot be told from the prompt.
        """
        if not outputs.get(TEXT):
            return
        text = outputs[TEXT][0]
        if not isinstance(text, str):
            raise RequestFailed(f"the server's answer holds no text ({TEXT} is {type(text).__name__})")
        new = self._new(text)
        self._text += new
        self._responses += 1
        for name in OUTPUTS.values():
            self._told.setdefault(name, []).extend(outputs.get(name, ()))
        logprobs = outputs.get(OUTPUTS["logprobs"], ())
        token = new if len(logprobs) == 1 else ""  # an answer that comes whole does not show its tokens
        self._logprobs += ({"token": token, "logprob": float(each), "top": {}} for each in logprobs)
        safe = self._stops.add(new)
        if self._on_text and safe:
            self._on_text(safe)

    def _new(self, text: str) -> str:
        if self._streamed:
            return self._since(text) if self._model.whole_texts else text
        if not self._model.repeats_prompt:
            return text
        prompt = str(self._request.prompt)
        start = text.find(prompt, 0, len(prompt) + _BEFORE_PROMPT)
        if start < 0:
            raise RequestRefused(
                f"the Triton model '{self._model.model}' repeats the prompt in another form than it was sent, so that"
                " the answer cannot be told from it",
                "serve it decoupled, or let it exclude the input from the output",
            )
        return text[start + len(prompt) :]

    def _since(self, text: str) -> str:
        """What `text` has more than the last one. It has less where what was sent became a stop string."""
        if len(text) < len(self._text):
            self._stops.take_back(len(self._text) - len(text))
            self._text = text
        return text[len(self._text) :]

    def completion(self, first_token: float | None) -> Completion:
        """The completion of all that was read. Raises RequestFailed for an answer that the server broke off."""
        if not self._responses:
            raise RequestFailed("the server ended its answer without a text")
        told = self._last("tell_finish_reason")
        if told in _DOES_NOT_COUNT:
            raise RequestFailed(f"the server broke the answer off (finish_reason '{told}')")
        rest = self._stops.end()
        if self._on_text and rest:
            self._on_text(rest)
        count = self._count()
        reason, stop = self._end(told, count)
        prompt_tokens = self._last("tell_prompt_tokens")
        return Completion(
            text=self._stops.text,
            finish_reason=reason,
            stop=stop,
            prompt_tokens=None if prompt_tokens is None else int(prompt_tokens),
            completion_tokens=count,
            first_token=first_token,
            logprobs=self._logprobs if self._request.sampling.logprobs is not None else None,
        )

    def _end(self, told: str | None, count: int | None) -> tuple[str | None, str | None]:
        """(finish reason, stop string), from the reason that the server `told` and the tokens that it counted."""
        stop = self._stops.found or (self._stop_reason() if told == "stop" else None)
        if stop:
            return "stop", stop
        if told is not None:
            return told, "" if told == "stop" else None
        if count is None and not self._streamed:
            return None, None
        tokens = self._responses if count is None else count  # a stream has a response for each token
        limit = self._request.sampling.max_tokens
        return ("length", None) if limit is not None and tokens >= limit else ("stop", "")

    def _count(self) -> int | None:
        """Tokens of the answer. A stream tells them for each response."""
        counts = self._told.get(OUTPUTS["tell_completion_tokens"])
        if counts:
            return sum(map(int, counts))
        return len(self._logprobs) or None

    def _stop_reason(self) -> str | None:
        """The stop string that the server names; the model's own end is None there, or the id of a token."""
        named = self._last("tell_stop_reason")
        return named if named in self._request.sampling.stop else None

    def _last(self, name: str) -> Any:
        values = self._told.get(OUTPUTS[name])
        return None if not values or values[-1] == "None" else values[-1]
