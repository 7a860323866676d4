"""The link through gRPC, by tritonclient."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from skillforge_trtllm.address import Address
from skillforge_trtllm.interface import Tensor
from skillforge_trtllm.links import Link, LinkError, Outputs

_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", "skillforge-trtllm"),
    # A server that was restarted is found again within a second; the default waits up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]
_STATUS_OF_STREAMS = {"triton_grpc_error": "true"}
"""Asks for an error's status in streams too, where the server (from 24.08) can; others send its text alone."""


@contextlib.asynccontextmanager
async def open_grpc(address: Address, timeout: float) -> AsyncIterator[Link]:
    """A link to `address`, closed on leaving."""
    async with InferenceServerClient(address.host, ssl=address.secure, channel_args=_CHANNEL) as server:
        yield GrpcLink(server, timeout)


class GrpcLink(Link):
    """One channel, which all requests share."""

    def __init__(self, server: InferenceServerClient, timeout: float) -> None:
        self._server = server
        self._timeout = timeout

    async def ready(self, model: str, timeout: float) -> bool:
        with _told():
            return bool(await self._server.is_model_ready(model, client_timeout=timeout))

    async def models(self, timeout: float) -> list[str]:
        with _told():
            index = await self._server.get_model_repository_index(as_json=True, client_timeout=timeout)
        return [each["name"] for each in index.get("models", ()) if each.get("state", "READY") == "READY"]

    async def describe(self, model: str, timeout: float) -> tuple[dict[str, Any], dict[str, Any]]:
        with _told():
            metadata = await self._server.get_model_metadata(model, as_json=True, client_timeout=timeout)
            config = await self._server.get_model_config(model, as_json=True, client_timeout=timeout)
        return metadata, config.get("config", {})

    async def ask(self, model: str, tensors: Sequence[Tensor], outputs: Sequence[str]) -> Outputs:
        wanted = [InferRequestedOutput(name) for name in outputs]
        with _told():
            result = await self._server.infer(
                model, [_input(each) for each in tensors], outputs=wanted, client_timeout=self._timeout
            )
        return _outputs(result, outputs)

    async def stream(
        self, model: str, tensors: Sequence[Tensor], outputs: Sequence[str]
    ) -> AsyncGenerator[Outputs, None]:
        wanted = [InferRequestedOutput(name) for name in outputs]

        async def one() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": model, "inputs": [_input(each) for each in tensors], "outputs": wanted}

        with _told():
            responses = self._server.stream_infer(one(), stream_timeout=self._timeout, headers=_STATUS_OF_STREAMS)
            try:
                async for result, error in responses:
                    if error is not None:
                        raise error
                    yield _outputs(result, outputs)
            finally:
                responses.cancel()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What gRPC and tritonclient raise, as LinkError."""
    try:
        yield
    except InferenceServerException as error:
        raise LinkError(str(error.status() or "UNKNOWN").rpartition(".")[2], error.message() or "") from error
    except grpc.aio.AioRpcError as error:
        raise LinkError(error.code().name, error.details() or "") from error


def _input(tensor: Tensor) -> InferInput:
    data = [value.encode() for value in tensor.data] if tensor.datatype == "BYTES" else tensor.data
    array = np.array(data, dtype=triton_to_np_dtype(tensor.datatype)).reshape(tensor.shape)
    made = InferInput(tensor.name, list(tensor.shape), tensor.datatype)
    made.set_data_from_numpy(array)
    return made


def _outputs(result: InferResult, names: Sequence[str]) -> Outputs:
    arrays = {name: array for name in names if (array := result.as_numpy(name)) is not None}
    return {name: [_plain(value) for value in array.reshape(-1).tolist()] for name, array in arrays.items()}


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
