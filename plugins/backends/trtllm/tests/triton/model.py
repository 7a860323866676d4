"""A model of a Triton server with the inputs and outputs of TensorRT-LLM's, which runs the tiny weights.

What each generation does with its text is kept: where prompts are repeated, where stop words stay, what streams add up.
The metric `begun_requests` counts those that run, `cancelled_requests` those that were cancelled while they ran.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

sys.path.insert(0, str(Path(__file__).parent))
from llama import Engine, Sequence, TooLong

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """What Triton loads."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        self.decoupled = config["model_transaction_policy"]["decoupled"]
        self.generation = config["parameters"]["generation"]["string_value"]
        self.batched = config["max_batch_size"] > 0
        self.engine = Engine(Path(config["parameters"]["weights"]["string_value"]))
        self.families = [
            pb_utils.MetricFamily(name=name, description=description, kind=pb_utils.MetricFamily.COUNTER)
            for name, description in (
                ("begun_requests", "Requests that generation has begun for"),
                ("cancelled_requests", "Requests whose client left"),
            )
        ]
        self.begun, self.cancelled = (each.Metric(labels={"model": args["model_name"]}) for each in self.families)

    def execute(self, requests: list[Any]) -> None:
        for request in requests:
            try:
                Answer(self, request).begin()
            except TooLong as error:
                self.refuse(request, f"Error generating request: {error}", pb_utils.TritonError.INTERNAL)
            except ValueError as error:
                self.refuse(request, str(error), pb_utils.TritonError.INVALID_ARG)

    def refuse(self, request: Any, message: str, code: int) -> None:
        error = pb_utils.TritonError(message, code)
        request.get_response_sender().send(pb_utils.InferenceResponse(error=error), flags=FINAL)


class Answer:
    """One request on its way."""

    def __init__(self, model: TritonPythonModel, request: Any) -> None:
        self.model = model
        self.request = request
        self.sender = request.get_response_sender()
        self.api = model.generation == "llmapi"
        self.stream = bool(self.value("stream", "streaming"))
        if self.stream and not model.decoupled:
            raise ValueError("Streaming is only supported in decoupled mode.")
        self.stops = self.stop_words()
        self.told = 0  # characters of the answer that a stream has sent
        self.tokens_told = 0

    def begin(self) -> None:
        self.prompt = self.value("text_input").decode()
        prompt = self.model.engine.tokenizer.encode(self.prompt, add_special_tokens=False).ids
        limit = self.value("max_tokens", "sampling_param_max_tokens")
        sampling = {
            name: self.value(name, f"sampling_param_{name}") for name in ("temperature", "top_k", "top_p", "seed")
        }
        if self.model.generation in ("2023", "2024"):
            sampling["seed"] = self.value("random_seed")
        sequence = Sequence(prompt, int(limit if limit is not None else 32), self.tell, **sampling)
        self.model.engine.submit(sequence)
        self.model.begun.increment(1)

    def tell(self, sequence: Sequence, last: bool) -> bool:
        """Send what there is to send after a token; True where the answer ends here."""
        if self.request.is_cancelled():
            self.model.cancelled.increment(1)
            self.send(
                pb_utils.InferenceResponse(error=pb_utils.TritonError("cancelled", pb_utils.TritonError.CANCELLED)),
                True,
            )
            return True
        ended = sequence.tokens[-1] == self.model.engine.end
        text = self.decode(sequence.tokens[:-1] if ended else sequence.tokens)
        found = [stop for stop in self.stops if stop in text]
        last = last or bool(found)
        if self.stream or last:
            self.send(self.response(sequence, text, found, ended, last), last)
        return last

    def response(self, sequence: Sequence, text: str, found: list[str], ended: bool, last: bool) -> Any:
        if self.api:  # without the stop string; a stream's responses hold all of the text until then
            shown = text[: text.index(found[0])] if found else text
        elif self.stream:
            shown, self.told = text[self.told :], len(text)
        elif self.value("exclude_input_in_output"):
            shown = text
        else:  # as a tokenizer that loses nothing writes it, with its first token, which was not skipped in 2023
            shown = f"<s>{self.prompt}{text}" if self.model.generation == "2023" else self.prompt + text
        new = slice(self.tokens_told if self.stream else 0, None)
        self.tokens_told = len(sequence.tokens)
        tensors = [self.text("text_output", shown)]
        if self.value("return_log_probs"):
            tensors.append(self.tensor("output_log_probs", np.array([[sequence.logprobs[new]]], np.float32)))
            tensors.append(self.tensor("cum_log_probs", np.array([[sum(sequence.logprobs)]], np.float32)))
        if self.value("return_num_input_tokens"):
            tensors.append(self.tensor("num_input_tokens", np.array([[len(sequence.prompt)]], np.int32)))
        if self.value("return_num_output_tokens"):
            count = len(sequence.tokens[new])
            tensors.append(self.tensor("num_output_tokens", np.array([[count]], np.int32)))
        if self.value("return_finish_reason"):
            reason = ("stop" if ended or found else "length") if last else "None"
            tensors.append(self.text("finish_reason", reason))
        if self.value("return_stop_reason"):
            tensors.append(self.text("stop_reason", found[0] if found else "None"))
        return pb_utils.InferenceResponse(tensors)

    def send(self, response: Any, last: bool) -> None:
        self.sender.send(response, flags=FINAL if last else 0)

    def value(self, *names: str) -> Any:
        """The first value of the input that has one of `names`; None where there is none."""
        for name in names:
            tensor = pb_utils.get_input_tensor_by_name(self.request, name)
            if tensor is not None:
                return tensor.as_numpy().reshape(-1)[0]
        return None

    def stop_words(self) -> list[str]:
        name = "sampling_param_stop" if self.api else "stop_words"
        tensor = pb_utils.get_input_tensor_by_name(self.request, name)
        words = [] if tensor is None else [word.decode() for word in tensor.as_numpy().reshape(-1)]
        if self.model.generation == "2023":  # one string, whose words are split by commas
            words = next(csv.reader(words[:1]), [])
        return [word for word in words if word]

    def decode(self, tokens: list[int]) -> str:
        return self.model.engine.tokenizer.decode(tokens)

    def text(self, name: str, text: str) -> Any:
        return self.tensor(name, np.array([text.encode()] if not self.model.batched else [[text.encode()]], object))

    def tensor(self, name: str, values: np.ndarray) -> Any:
        return pb_utils.Tensor(name, values)
