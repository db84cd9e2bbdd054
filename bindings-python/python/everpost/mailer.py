"""The blocking mailer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everpost import _native, _options
from everpost._message import addresses, content
from everpost._token import asker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from everpost._message import Envelope, MessageLike
    from everpost._native import Receipt
    from everpost._options import Options, Time

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
        timeout: Time | None = None,
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
        data = content(message)
        return self._native.send(
            data, addresses(data, sender, recipients, envelope), _options.seconds(timeout)
        )

    def close(self, timeout: Time | None = None) -> None:
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
