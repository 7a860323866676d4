"""Deployed: Export-Deploy's endpoints, which are OpenAI's but for what is noted here.

The protocol is that of NVIDIA-NeMo/Export-Deploy: nemo_deploy/llm/*_deployable_ray.py (Ray Serve) and
nemo_deploy/service/fastapi_interface_to_pytriton.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec

from skillforge import BackendUnusable, Client, Completion, Request, RequestRefused, SkillForgeError
from skillforge.text import closest, one_line
from skillforge_nemo_backend.answers import cut
from skillforge_nemo_backend.transport import Transport
from skillforge_openai import OpenAIOptions
from skillforge_openai.discreet import discreet
from skillforge_openai.faults import Answer, fault, refuse_page
from skillforge_openai.overflow import context_overflow
from skillforge_openai.wire import Wire, endpoint

HEALTH = "/health"

_FAILED = "An error occurred: "
"""How the text of an answer begins in which the model's worker tells its own failure."""


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


class Deployed(Client):
    """A model behind Export-Deploy's endpoints, below `url`."""

    def __init__(self, transport: Transport, url: str, model: str) -> None:
        self.url = url
        self._transport = transport
        self._model = model
        self._wire = wire(model)

    async def models(self) -> list[str]:
        """The names in the list of models; none where there is no such list (in front of PyTriton)."""
        answer = await self._transport.look("GET", f"{self.url}/models")
        if answer.status in (401, 403):
            raise self._fault(answer)
        try:
            return [model.id for model in msgspec.json.decode(answer.body, type=_Models).data]
        except (ValueError, RecursionError):
            return []

    async def check(self) -> None:
        """Raises BackendUnusable where the model is not among those that are listed."""
        names = await self.models()
        if names and self._model not in names:
            known = [one_line(self._transport.address.clean(name), 100) for name in names[:50]]
            raise BackendUnusable(f"the server at {self.url} has no model '{self._model}'", closest(self._model, known))

    async def ready(self) -> bool:
        """Whether the model takes requests: in front of PyTriton, the endpoint may be there and the model not."""
        with contextlib.suppress(BackendUnusable):
            answer = await self._transport.look("GET", f"{self.url}/triton_health")
            if answer.status == 404:
                answer = await self._transport.look("GET", self.url + HEALTH)
            return answer.status == 200
        return False

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One POST."""
        answer = await self._transport.send("POST", self.url + path(request), body(request, self._wire))
        if answer.status != 200:
            raise self._fault(answer, request)
        refuse_page(answer.body, answer.url)
        completion = self._wire.completion(answer.body, request)
        if completion.text.startswith(_FAILED):
            raise self._failure(discreet(completion.text, request))
        text, stop = cut(completion.text, request.sampling.stop)
        return msgspec.structs.replace(
            completion,
            text=text,
            stop=completion.stop if stop is None else stop,
            finish_reason=completion.finish_reason if stop is None else "stop",
            prompt_tokens=None,  # the server counts words
            completion_tokens=None,
        )

    def _failure(self, said: str) -> SkillForgeError:
        """The error of an answer whose text is one: most come from the request, and would come again."""
        what = f"the NeMo server's model failed ({one_line(self._transport.address.clean(said), 200)})"
        return context_overflow(what, said, None) or RequestRefused(what, "see the server's log")

    def _fault(self, answer: Answer, request: Request | None = None) -> SkillForgeError:
        return fault(answer, self._transport.address, self._model, request)


def wire(model: str) -> Wire:
    """What writes and reads the JSON."""
    return Wire(model, OpenAIOptions(extra_sampling=True))


def path(request: Request) -> str:
    """Where `request` goes. Without the slash at its end the server answers with a redirection."""
    return endpoint(request) + "/"


def body(request: Request, wire: Wire) -> bytes:
    """The JSON to send. Temperature 0 goes with top_k 1 and without top_p, or some servers divide by it."""
    sampling = request.sampling
    if sampling.temperature == 0:
        sampling = msgspec.structs.replace(sampling, top_k=1, top_p=None)
    return wire.body(msgspec.structs.replace(request, sampling=sampling))
