"""What vLLM answers, whether it is a server or an engine in process."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from skillforge import Client, Completion, Message, Request, RequestRefused, Sampling

QUESTION = (Message("user", "Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?"),)
GREEDY = Sampling(max_tokens=96, temperature=0.0)


def asked(*requests: Request) -> Any:
    """Makes all completions at once."""

    async def work(client: Client) -> list[Completion]:
        return list(await asyncio.gather(*map(client.complete, requests)))

    return work


class Answers:
    """Tests for a class of a module whose fixture `place` has `ask`."""

    def test_greedy_texts_equal_those_of_transformers(self, place: Any, greedy: dict[str, str]) -> None:
        answers = place.ask(asked(*(Request((Message("user", question),), GREEDY) for question in greedy)))
        assert [answer.text for answer in answers] == list(greedy.values())
        assert all(answer.finish_reason == "stop" and answer.stop == "" for answer in answers)

    def test_every_setting_of_sampling_has_its_effect(self, place: Any) -> None:
        hot = {"max_tokens": 24, "temperature": 2.0}
        settings = [
            Sampling(**hot), Sampling(**hot), Sampling(**hot, top_k=1), Sampling(**hot, top_p=1e-6),
            Sampling(**hot, min_p=1.0), Sampling(max_tokens=24, temperature=0.0),
            Sampling(max_tokens=24, temperature=0.0, repetition_penalty=2.0),
            Sampling(max_tokens=24, temperature=0.0, presence_penalty=2.0, frequency_penalty=2.0),
        ]  # fmt: skip
        requests = [Request("<bos>", sampling, seed=7) for sampling in settings]
        warm, again, *narrowed, greedy, unlike, rare = (answer.text for answer in place.ask(asked(*requests)))
        assert warm == again
        assert warm != greedy
        assert narrowed == [greedy] * 3
        assert len({greedy, unlike, rare}) == 3

    def test_an_answer_follows_a_schema_in_chats_and_in_text(self, place: Any) -> None:
        sampling = Sampling(max_tokens=16, temperature=0.0, json_schema='{"type": "integer"}')
        for answer in place.ask(asked(Request(QUESTION, sampling), Request("3 + 4 = 7. ####", sampling))):
            assert type(json.loads(answer.text)) is int

    def test_what_the_models_tokens_cannot_write_is_refused_with_the_cause(self, place: Any) -> None:
        wanted = '{"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}'
        request = Request(QUESTION, Sampling(max_tokens=16, temperature=0.0, json_schema=wanted))
        for more in ((), (lambda piece: None,)):
            with pytest.raises(
                RequestRefused, match=r"broke the answer off .* no tokens for what --json-schema asks for"
            ):
                place.ask(lambda client, more=more: client.complete(request, *more))

    def test_a_stream_tells_when_it_began_and_what_it_says(self, place: Any) -> None:
        pieces: list[str] = []
        sampling = Sampling(max_tokens=96, temperature=0.0, logprobs=2, token_ids=True)
        answer = place.ask(lambda client: client.complete(Request(QUESTION, sampling), pieces.append))
        (whole,) = place.ask(asked(Request(QUESTION, sampling)))
        assert "".join(pieces) == answer.text == whole.text
        assert (answer.token_ids, answer.logprobs, answer.stop) == (whole.token_ids, whole.logprobs, "")
        assert answer.first_token > 0
        assert len(answer.logprobs) == len(answer.token_ids) == answer.completion_tokens
        assert all(len(each["top"]) == 2 and each["top"][each["token"]] == each["logprob"] for each in answer.logprobs)

    def test_a_text_is_scored_as_it_was_written(self, place: Any) -> None:
        sampling = Sampling(max_tokens=96, temperature=0.0, token_ids=True, logprobs=2, prompt_logprobs=2)
        (written,) = place.ask(asked(Request(QUESTION, sampling)))
        text = Request("", Sampling(max_tokens=1, prompt_logprobs=2), prompt_ids=written.prompt_ids + written.token_ids)
        (scored,) = place.ask(asked(text))
        whole = [*written.prompt_logprobs, *written.logprobs]
        assert len(whole) == len(text.prompt_ids) - 1
        assert [each["token"] for each in scored.prompt_logprobs] == [each["token"] for each in whole]
        for found, expected in zip(scored.prompt_logprobs, whole, strict=True):
            assert found["logprob"] == pytest.approx(expected["logprob"], abs=1e-3)
            assert found["top"] == pytest.approx(expected["top"], abs=1e-3)
            assert len(found["top"]) == 2
