"""Futures of event loops that the native layer completes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from everpost import _native
from everpost.errors import _interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Home"]


class Home:
    """The loop that was last seen, and the way for results to it."""

    __slots__ = ("_last",)

    # One field, so that loops in several threads may share a mailer.
    _last: tuple[asyncio.AbstractEventLoop | None, _native.Channel | None]

    def __init__(self) -> None:
        self._last = None, None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop that was last seen."""
        return self._last[0]

    async def run(self, start: Callable[..., Any], *args: Any) -> Any:
        """Do native work for the running loop.

        When the task is cancelled, so is the work; the CancelledError goes on
        once it is known what came of it, and that is its ``__cause__``.
        """
        loop = asyncio.get_running_loop()
        seen, channel = self._last
        if seen is not loop:
            channel = _channel(loop)
            self._last = loop, channel
        future = loop.create_future()
        operation = start(*args, (channel, future))
        try:
            return await future
        except asyncio.CancelledError as cancelled:
            cancelled.__cause__ = await _leave(loop, operation, future)
            raise


_channels: WeakKeyDictionary[asyncio.AbstractEventLoop, _native.Channel] = WeakKeyDictionary()


def _channel(loop: asyncio.AbstractEventLoop) -> _native.Channel:
    """The one channel to a loop; it goes with the loop."""
    # Without a lock, which a fork could leave closed: a loop has one thread.
    channel = _channels.get(loop)
    if channel is None:
        channel = _channels[loop] = _watched(loop) or _called(loop)
    return channel


def _watched(loop: asyncio.AbstractEventLoop) -> _native.Channel | None:
    """A channel that the loop watches; not every loop watches sockets."""
    try:
        channel = _native.Channel()
        loop.add_reader(channel.fileno(), channel.look)
    except (NotImplementedError, OSError):
        return None
    return channel


def _called(loop: asyncio.AbstractEventLoop) -> _native.Channel:
    """A channel for any loop, which it does not keep alive."""
    weak = ref(loop)

    def wake(channel: _native.Channel) -> None:
        there = weak()
        if there is None:
            raise RuntimeError("the loop is gone")
        there.call_soon_threadsafe(channel.look)

    return _native.Channel(wake)


async def _leave(
    loop: asyncio.AbstractEventLoop,
    operation: _native.Operation,
    future: asyncio.Future[Any],
) -> BaseException | None:
    """Cancel work, and learn what came of it: the work says so at once."""
    told = future
    if future.cancelled():
        told = loop.create_future()
        operation.cancel(told)
    # Otherwise the task was cancelled when its result had just come.
    while not told.done():
        try:
            await asyncio.wait((told,))
        except asyncio.CancelledError:
            # It is being cancelled already.
            continue
    return _interrupted(told.exception() or told.result())
