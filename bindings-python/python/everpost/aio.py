"""The mailer for asyncio."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any

from everpost import _log, _native, _options
from everpost._loop import Home
from everpost._message import Envelope, addresses, content
from everpost._token import asker, refuse
from everpost.mailer import Feed
from everpost.reports import Explanation
from everpost.results import Event, Health, SendResult, Stats

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Iterable,
        Sequence,
    )
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from everpost._message import MessageLike
    from everpost._native import Receipt, TokenRequest
    from everpost._options import Options, Seconds, Token
    from everpost.certificate import CertificateFile
    from everpost.errors import Error

__all__ = ["AsyncMailer"]


class AsyncMailer:
    """Sends mail from asyncio through pooled connections that survive every rotation.

    Make one and keep it for the life of the process; it may be made outside of
    a loop, and used on one loop after the other. Options and errors are those
    of :class:`everpost.Mailer`. The loop never waits: the work is done on
    threads of the library.

    When a task is cancelled, its work is too, and the CancelledError is raised
    when it is known what came of the message: :func:`everpost.outcome` gives an
    :class:`everpost.Error` whose ``delivery`` is "not_sent", "unknown" or, when
    the server was faster, "accepted".

    Args:
        url: As of :class:`everpost.Mailer`.
        **options: See :class:`everpost.Options`. A ``token`` may be a coroutine
            function: it runs on the loop that the mailer was last used on.

    Raises:
        ConfigError: An option cannot work.

    """

    __slots__ = ("__weakref__", "_closed", "_home", "_native")

    def __init__(self, url: str | None = None, **options: Unpack[Options]) -> None:
        self._home = Home()
        ask = _async_asker(options.get("token"), self._home)
        self._native = _native.Mailer(_options.settings(url, options, ask))
        self._closed = False
        _log.follow()

    @property
    def endpoint(self) -> str:
        """The server, as "host:port"."""
        return self._native.endpoint

    @property
    def closed(self) -> bool:
        """Whether it takes no more messages."""
        return self._closed

    async def send(
        self,
        message: MessageLike,
        *,
        sender: str | None = None,
        recipients: str | Sequence[str] | None = None,
        envelope: Envelope | None = None,
        timeout: Seconds | None = None,
    ) -> Receipt:
        """Send a message, and return when the server has accepted it.

        Args:
            message: What to send. A file object is read at once; a path is read
                by the library.
            sender: The sender, in place of the header's.
            recipients: The recipients, in place of the header's.
            envelope: Sender, recipients and what is asked of the servers.
            timeout: How long it may take, in seconds.

        Raises:
            Error: ``error.delivery`` says what is known of the message.

        """
        _log.follow()
        data = content(message)
        receipt: Receipt = await self._home.run(
            self._native.send,
            data,
            addresses(data, sender, recipients, envelope),
            _options.seconds(timeout),
        )
        return receipt

    async def send_many(
        self,
        messages: Iterable[MessageLike | tuple[MessageLike, Envelope]],
        *,
        progress: Callable[[int, int, int], object] | None = None,
    ) -> AsyncGenerator[SendResult, None]:
        """Send many messages over the pool, and yield each result as soon as it is known.

        As :meth:`everpost.Mailer.send_many`.
        """
        _log.follow()
        batch = self._native.batch()
        feed = Feed(messages, batch, progress)
        try:
            while feed.fill():
                for told in await self._home.run(batch.next):
                    yield feed.result(told)
        finally:
            batch.cancel()

    def events(self) -> AsyncIterator[Event]:
        """What happens in this mailer from now on, until it is closed.

        A reader that falls behind by more than 1,024 events loses the oldest;
        see :attr:`everpost.Event.missed`.
        """
        return _AsyncEvents(_native.Events(self._native), self._home)

    async def health(self) -> Health:
        """Whether the server can be used, from what was seen. Asks nothing of the network."""
        return Health._parse(self._native.health())

    async def stats(self) -> Stats:
        """The counters at this moment."""
        return Stats._of(*self._native.stats())

    async def explain(self, file: CertificateFile | None = None) -> Explanation:
        """Say whose fault it is: look at the server afresh and compare with the pool.

        Args:
            file: The file that the server's certificate is installed from: a
                renewal that was not loaded is told then.

        """
        native = None if file is None else file._native
        return Explanation._parse(await self._home.run(_native.explain, self._native, native))

    async def late_verdict(
        self,
        error: Error,
        timeout: Seconds | None = None,
    ) -> Receipt | None:
        """Wait for the verdict on a message whose delivery was unknown.

        As :meth:`everpost.Mailer.late_verdict`.
        """
        late = error._late
        if late is None:
            return None
        receipt: Receipt | None = await self._home.run(late.wait, _options.seconds(timeout))
        return receipt

    async def verify(self, timeout: Seconds | None = None) -> dict[str, Any]:
        """Ask whether mail could be sent: connect, log in, and leave.

        As :meth:`everpost.Mailer.verify`.
        """
        _log.follow()
        asked = self._home.run(self._native.verify, _options.seconds(timeout))
        offered: dict[str, Any] = json.loads(await asked)
        return offered

    async def aclose(self, timeout: Seconds | None = None) -> None:
        """Take no more messages, wait for those that were taken, and say QUIT.

        Raises:
            TimeoutError: Connections were still busy. The mailer is closed
                all the same.

        """
        self._closed = True
        await self._home.run(self._native.close, _options.seconds(timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<{type(self).__name__} {self.endpoint}{state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a mailer holds connections: make one in each process")


class _AsyncEvents:
    """The events of a mailer, one after the other."""

    __slots__ = ("_home", "_native")

    def __init__(self, native: _native.Events, home: Home) -> None:
        self._native = native
        self._home = home

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        told = await self._home.run(self._native.next)
        if told is None:
            raise StopAsyncIteration
        return Event._of(*told)


def _async_asker(token: Token | str | None, home: Home) -> Callable[[TokenRequest], None] | None:
    """As :func:`everpost._token.asker`, for coroutine functions too."""
    if token is None or isinstance(token, str) or not inspect.iscoroutinefunction(token):
        return asker(token)

    async def answer(request: TokenRequest) -> None:
        try:
            request.answer(await token())
        except BaseException as error:
            refuse(request, error)
            if not isinstance(error, Exception):
                raise

    def ask(request: TokenRequest) -> None:
        loop = home.loop
        answering = answer(request)
        try:
            if loop is None:
                raise RuntimeError("there is no loop")
            asyncio.run_coroutine_threadsafe(answering, loop)
        except RuntimeError as error:
            # The loop is closed.
            answering.close()
            refuse(request, error)

    return ask
