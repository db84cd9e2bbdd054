"""Futures of event loops that the native layer completes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from everpost import _native
from everpost.errors import CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Home"]

T = TypeVar("T")


class Home:
    """The loop that was last seen, and the way for results to it."""

    __slots__ = ("channel", "loop")

    loop: asyncio.AbstractEventLoop | None
    channel: _native.Channel | None

    def __init__(self) -> None:
        self.loop = None
        self.channel = None

    async def run(self, start: Callable[..., Any], *args: Any) -> Any:
        """Do native work for the running loop.

        When the task is cancelled, so is the work; the CancelledError goes on
        once it is known what came of it, and that is its ``__cause__``.
        """
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            self.channel = _native.Channel(loop)
            self.loop = loop
        future = loop.create_future()
        operation = start(*args, (self.channel, future))
        try:
            return await future
        except asyncio.CancelledError as cancelled:
            cancelled.__cause__ = await _leave(loop, operation)
            raise


async def _leave(
    loop: asyncio.AbstractEventLoop, operation: _native.Operation
) -> BaseException | None:
    """Cancel work, and learn what came of it: the work says so at once."""
    told: asyncio.Future[Any] = loop.create_future()
    operation.cancel(told)
    while not told.done():
        try:
            await asyncio.wait((told,))
        except asyncio.CancelledError:
            # It is being cancelled already.
            continue
    error = told.exception()
    if error is not None:
        return error
    result = told.result()
    return CancelledError._accepted(result) if isinstance(result, _native.Receipt) else None
