"""`skillforge sandbox serve`."""

from __future__ import annotations

import asyncio
import os
import socket

import click

from skillforge import SkillForgeError, UsageError
from skillforge.cli.sandbox import choose_sandbox, sandbox_options
from skillforge.text import one_line
from skillforge_http_sandbox import DEFAULT_PORT, DEFAULT_TOKEN_ENV
from skillforge_http_sandbox.access import is_loopback, token_in
from skillforge_http_sandbox.serving import Limits, log_requests, serve_until_stopped
from skillforge_http_sandbox.sockets import keep_alive


@click.command("sandbox.serve")
@sandbox_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address or name to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--token-env",
    metavar="NAME",
    help="Environment variable that holds the token that clients must send; needed where others reach the address."
    f"  [default: {DEFAULT_TOKEN_ENV}, if set]",
)
@click.option(
    "--max-sessions", type=click.IntRange(min=1), default=64, show_default=True, help="Sessions open at once."
)
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=256,
    show_default=True,
    help="Requests that may wait for a session; more are told to come back.",
)
@click.option(
    "--idle",
    type=click.FloatRange(min=0, min_open=True),
    default=900.0,
    show_default=True,
    metavar="SECONDS",
    help="End sessions that nobody used for so long.",
)
@click.option("--access-log", is_flag=True, help="Write a line on stderr for each request.")
def serve(
    name: str | None,
    assignments: tuple[str, ...],
    host: str,
    port: int,
    token_env: str | None,
    max_sessions: int,
    queue: int,
    idle: float,
    access_log: bool,
) -> None:
    """Offer the sessions of a sandbox over HTTP, until SIGTERM or Ctrl-C.

    One service serves many evaluations, on this machine or on others; they use the sandbox 'http'.

    \b
    skillforge sandbox serve
    SKILLFORGE_SANDBOX_TOKEN=... skillforge sandbox serve --host 0.0.0.0
    """
    part, options = choose_sandbox(name, assignments)
    token = _token(token_env)
    if access_log:
        log_requests()
    limits = Limits(max_sessions=max_sessions, queue=queue, idle=idle)
    with _listener(host, port, token) as listener:
        asyncio.run(serve_until_stopped(part.open(options), listener, token, limits, part.name))


def _token(name: str | None) -> str | None:
    token = token_in(DEFAULT_TOKEN_ENV if name is None else name)
    if name is not None and token is None:
        raise UsageError(f"the environment variable {name} holds no token", f"set it: export {name}=...")
    return token


def _listener(host: str, port: int, token: str | None) -> socket.socket:
    """A socket that is bound, and does not listen yet."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"cannot listen on '{one_line(host, 80)}' ({error.strerror})", "correct --host") from None
    if token is None and not is_loopback(str(address[0])):
        raise UsageError(
            f"whoever reaches {one_line(host, 80)} could run code here without a token",
            f"set one: export {DEFAULT_TOKEN_ENV}=..., or leave --host out",
        )
    listener = keep_alive(socket.socket(family, kind, protocol))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise SkillForgeError(
            f"cannot listen on {one_line(host, 80)}, port {port}: {os.strerror(error.errno or 0)}",
            "end what listens there, or give another --port",
        ) from None
    return listener
