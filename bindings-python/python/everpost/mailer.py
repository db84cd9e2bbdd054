"""The blocking mailer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from everpost import _log, _native, _options
from everpost._message import Envelope, addresses, content
from everpost._token import asker
from everpost.reports import Explanation
from everpost.results import Event, Health, SendResult, Stats

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from everpost._message import MessageLike
    from everpost._native import Receipt
    from everpost._options import Options, Seconds
    from everpost.certificate import CertificateFile
    from everpost.errors import Error

__all__ = ["Mailer"]


class Mailer:
    """Sends mail through pooled connections that survive every rotation.

    Make one and keep it for the life of the process. It may be used from many
    threads; in a forked child it has connections of its own. Nothing is
    connected before the first message is sent.

    Args:
        url: ``smtps://user:password@host`` for implicit TLS, or
            ``smtp://user:password@host`` for STARTTLS; options may stand in
            its query. In its place, ``host=``.
        **options: See :class:`everpost.Options`; they win over the URL's.

    Raises:
        ConfigError: An option cannot work.

    """

    __slots__ = ("__weakref__", "_closed", "_native")

    def __init__(self, url: str | None = None, **options: Unpack[Options]) -> None:
        ask = asker(options.get("token"))
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

    def send(
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
            message: What to send.
            sender: The sender, in place of the header's.
            recipients: The recipients, in place of the header's.
            envelope: Sender, recipients and what is asked of the servers.
            timeout: How long it may take, in seconds.

        Raises:
            Error: ``error.delivery`` says what is known of the message.
                KeyboardInterrupt stops a send at once; what is known of the
                message then is its ``__cause__``.

        """
        _log.follow()
        data = content(message)
        return self._native.send(
            data, addresses(data, sender, recipients, envelope), _options.seconds(timeout)
        )

    def send_many(
        self,
        messages: Iterable[MessageLike | tuple[MessageLike, Envelope]],
        *,
        progress: Callable[[int, int, int], object] | None = None,
    ) -> Generator[SendResult, None, None]:
        """Send many messages over the pool, and yield each result as soon as it is known.

        Results come in any order; ``result.index`` says which message it is of.
        Messages are taken from the iterable as they are needed: some ahead of
        the network, never all. Leaving the loop cancels what has not been sent.

        Args:
            messages: Messages, or pairs of a message and its envelope.
            progress: Called after each result with how many are done, how many
                of them were accepted, and how many failed.

        """
        _log.follow()
        batch = self._native.batch()
        feed = Feed(messages, batch, progress)
        try:
            while feed.fill():
                for told in batch.next():
                    yield feed.result(told)
        finally:
            batch.cancel()

    def events(self) -> Iterator[Event]:
        """What happens in this mailer from now on.

        The iterator waits for the next event, and ends when the mailer is
        closed. A reader that falls behind by more than 1,024 events loses the
        oldest; see :attr:`everpost.Event.missed`.
        """
        return _Events(_native.Events(self._native))

    def health(self) -> Health:
        """Whether the server can be used, from what was seen. Asks nothing of the network."""
        return Health._parse(self._native.health())

    def stats(self) -> Stats:
        """The counters at this moment."""
        return Stats._of(*self._native.stats())

    def explain(self, file: CertificateFile | None = None) -> Explanation:
        """Say whose fault it is: look at the server afresh and compare with the pool.

        Args:
            file: The file that the server's certificate is installed from: a
                renewal that was not loaded is told then.

        """
        return Explanation._parse(
            _native.explain(self._native, None if file is None else file._native)
        )

    def late_verdict(self, error: Error, timeout: Seconds | None = None) -> Receipt | None:
        """Wait for the verdict on a message whose delivery was unknown.

        Args:
            error: What :meth:`send` raised.
            timeout: How long to wait, in seconds.

        Returns:
            The receipt, if the server has accepted the message after all; None
            if no verdict comes, or none can come any more.

        Raises:
            RejectedError: The server has refused the message after all.

        """
        late = error._late
        return None if late is None else late.wait(_options.seconds(timeout))

    def verify(self, timeout: Seconds | None = None) -> dict[str, Any]:
        """Ask whether mail could be sent: connect, log in, and leave.

        The connection is one of its own beside those of the pool. Nothing is
        sent.

        Args:
            timeout: How long it may take, in seconds.

        Returns:
            What the server offers after the login, as in the report of a probe:
            "domain", "extensions" (each with "keyword" and "parameters"),
            "auth", "starttls" and "max_size".

        Raises:
            Error: Those of a send as far as the login.

        """
        _log.follow()
        offered: dict[str, Any] = json.loads(self._native.verify(_options.seconds(timeout)))
        return offered

    def close(self, timeout: Seconds | None = None) -> None:
        """Take no more messages, wait for those that were taken, and say QUIT.

        Raises:
            TimeoutError: Connections were still busy. The mailer is closed
                all the same.

        """
        self._closed = True
        self._native.close(_options.seconds(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ""
        return f"<{type(self).__name__} {self.endpoint}{state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a mailer holds connections: make one in each process")


class Feed:
    """The messages of a batch, as they are needed, and their results."""

    __slots__ = ("_accepted", "_batch", "_failed", "_messages", "_next", "_progress", "_under_way")

    def __init__(
        self,
        messages: Iterable[MessageLike | tuple[MessageLike, Envelope]],
        batch: _native.Batch,
        progress: Callable[[int, int, int], object] | None,
    ) -> None:
        self._messages: Iterator[MessageLike | tuple[MessageLike, Envelope]] | None = iter(messages)
        self._batch = batch
        self._progress = progress
        self._next = self._under_way = self._accepted = self._failed = 0

    def fill(self) -> bool:
        """Start what fits; return whether anything is under way."""
        while self._messages is not None and self._under_way < WINDOW:
            try:
                message = next(self._messages)
            except StopIteration:
                self._messages = None
                break
            envelope = None
            if isinstance(message, tuple):
                message, envelope = message
            data = content(message)
            self._batch.submit(self._next, data, addresses(data, None, None, envelope))
            self._next += 1
            self._under_way += 1
        return self._under_way > 0

    def result(self, told: tuple[int, Receipt | None, Error | None]) -> SendResult:
        """Count a result."""
        result = SendResult(*told)
        self._under_way -= 1
        if result.ok:
            self._accepted += 1
        else:
            self._failed += 1
        if self._progress is not None:
            self._progress(self._accepted + self._failed, self._accepted, self._failed)
        return result


WINDOW = 128
"""How many messages of a batch are under way at once: sixteen for each of eight
connections, so that each always finds the next one to chain."""


class _Events:
    """The events of a mailer, one after the other."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Events) -> None:
        self._native = native

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        told = self._native.next()
        if told is None:
            raise StopIteration
        return Event._of(*told)
