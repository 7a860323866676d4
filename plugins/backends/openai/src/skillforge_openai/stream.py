"""Stream: an answer put together from the pieces that it comes in."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from skillforge import Completion, Request, RequestFailed
from skillforge_openai.answers import Answer, AnswerMessage, Choice, read_answer
from skillforge_openai.logprobs import Logprobs
from skillforge_openai.tool_calls import CallPieces
from skillforge_openai.visible import Visible

DONE = b"[DONE]"
"""What the last event says, where the server sends one."""


class Stream:
    """The answer to one chat or text request, as it comes. Of several choices the first counts."""

    def __init__(self, request: Request, visible: Visible, finished: Callable[[Answer], Completion]) -> None:
        self._request = request
        self._visible = visible
        self._finished = finished
        self._sent = time.perf_counter()
        self._first: float | None = None
        self._done = False
        self._answered = self._refused = False
        self._choice = Choice()
        self._answer = Answer()
        self._text: list[str] = []
        self._thought: list[str] = []
        self._calls = CallPieces()

    def add(self, event: bytes) -> bool:
        """Take in the data of one event; whether it is the last. Raises RequestFailed for one that cannot be read."""
        if event.strip() == DONE:
            self._done = True
            return True
        piece = read_answer(event, self._request)
        self._answer.usage = piece.usage or self._answer.usage
        self._answer.prompt_token_ids = piece.prompt_token_ids or self._answer.prompt_token_ids
        for choice in piece.choices or ():
            if choice.index == 0:
                self._add(choice)
        return False

    def _add(self, piece: Choice) -> None:
        whole = self._choice
        self._answer.choices = [whole]
        self._answered = self._answered or piece.delta is not None or piece.text is not None
        delta = piece.delta or AnswerMessage(content=piece.text)
        self._refused = self._refused or bool(delta.refusal)
        text, thought = delta.text(), delta.thought()
        if self._first is None and (text or thought or delta.tool_calls):
            self._first = time.perf_counter() - self._sent
        if thought:
            self._thought.append(thought)
            self._visible.reasoning_is_apart()
        if text:
            self._text.append(text)
            self._visible.add(text)
        self._calls.add(delta.tool_calls or ())
        if piece.logprobs:
            whole.logprobs = (whole.logprobs or Logprobs()).extended(piece.logprobs)
        if piece.token_ids:
            whole.token_ids = (*(whole.token_ids or ()), *piece.token_ids)
        whole.prompt_token_ids = piece.prompt_token_ids or whole.prompt_token_ids
        if piece.finish_reason:
            whole.finish_reason, whole.stop_reason = piece.finish_reason, piece.stop_reason
            whole.matched_stop = piece.matched_stop

    def completion(self) -> Completion:
        """The whole answer. Raises RequestFailed where the stream was cut off before its end."""
        if not (self._done or self._choice.finish_reason):
            raise RequestFailed("the server ended the stream of an answer in its middle")
        if self._answered:
            self._choice.message = self._message()
        completion = self._finished(self._answer)
        self._visible.end(completion.text)
        return msgspec.structs.replace(completion, first_token=self._first)

    def _message(self) -> AnswerMessage:
        text = "".join(self._text)
        said = AnswerMessage(refusal=text) if self._refused else AnswerMessage(content=text)
        said.reasoning_content = "".join(self._thought) or None
        said.tool_calls = self._calls.whole() or None
        return said
