"""What tests have in common: a server each, and messages."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from everpost.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def server() -> Iterator[Rehearsal]:
    """A server with a user."""
    with Rehearsal(credentials={"app": "canary-password"}) as server:
        yield server


@pytest.fixture
def letter() -> Callable[..., bytes]:
    """Makes messages."""

    def letter(id_: str, to: str = "b@example.com", body: str = "Hello") -> bytes:
        header = f"From: a@example.org\r\nTo: {to}\r\nSubject: Test\r\nMessage-ID: <{id_}>"
        return f"{header}\r\n\r\n{body}\r\n".encode()

    return letter


def _uvloop() -> Callable[..., Any] | None:
    try:
        import uvloop  # noqa: PLC0415
    except ImportError:
        return None
    return uvloop.new_event_loop


class _NoSockets(asyncio.SelectorEventLoop):
    """A loop that watches no sockets, as the usual one of Windows."""

    def add_reader(self, *_: Any) -> None:  # type: ignore[override]
        raise NotImplementedError


@pytest.fixture(params=["asyncio", "uvloop", "no sockets"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Runs a coroutine to its end, on each kind of loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        found = _uvloop()
        if found is None:
            pytest.skip("uvloop is not for this platform")
        factory = found

    if request.param == "no sockets":
        factory = _NoSockets

    def run(coroutine: Any) -> Any:
        loop = factory()
        try:
            return loop.run_until_complete(coroutine)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    return run


@pytest.fixture
def script() -> Callable[..., str]:
    """Runs a program in an interpreter of its own, and returns what it printed.

    It must end well, say nothing on standard error, and not hang.
    """

    def script(text: str) -> str:
        done = subprocess.run(
            # Since 3.12 Python warns of every fork of a process with threads.
            [sys.executable, "-W", "ignore:This process", "-c", textwrap.dedent(text)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return script
