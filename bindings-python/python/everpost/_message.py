"""Messages and envelopes, as users have them and as the native layer takes them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any, Optional, Protocol, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Buffer

__all__ = ["Envelope", "MessageLike"]


class Reader(Protocol):
    """A file that was opened for reading."""

    def read(self) -> bytes | str:
        """Read all of it."""


MessageLike: TypeAlias = Union[
    "Message[Any, Any]", "Buffer", str, "os.PathLike[str]", "os.PathLike[bytes]", Reader
]
"""What can be sent: a message of :mod:`email`, its bytes or text, a file that
was opened for reading, or the path of a file (:class:`pathlib.Path`; a ``str``
is the text of a message)."""

Addresses: TypeAlias = tuple[
    Optional[str], list[str], Optional[str], Optional[str], Optional[str], bool
]


@dataclass(frozen=True, slots=True, init=False)
class Envelope:
    """Who sends to whom, whatever the header of the message says.

    Attributes:
        sender: The sender; None is ``<>``, so that no failure is ever reported
            back: for bounces and automatic replies.
        recipients: The recipients, by their addresses alone; at least one.
        require_tls: Whether every server on the way must use verified TLS (RFC
            8689).
        envid: An identifier that delivery reports carry (RFC 3461).
        dsn_return: What a report of failure brings back: "full" or "hdrs".
        notify: When to report: "never", or some of "success", "failure" and
            "delay", with commas.

    The server must offer what is asked for (DSN, REQUIRETLS), or sending raises
    :class:`everpost.UnsupportedError`.

    """

    sender: str | None
    recipients: tuple[str, ...]
    require_tls: bool
    envid: str | None
    dsn_return: str | None
    notify: str | None

    def __init__(
        self,
        sender: str | None,
        recipients: str | Iterable[str],
        *,
        require_tls: bool = False,
        envid: str | None = None,
        dsn_return: str | None = None,
        notify: str | Iterable[str] | None = None,
    ) -> None:
        """Make an envelope; one recipient may stand alone."""
        fields = {
            "sender": sender,
            "recipients": (recipients,) if isinstance(recipients, str) else tuple(recipients),
            "require_tls": require_tls,
            "envid": envid,
            "dsn_return": dsn_return,
            "notify": notify if notify is None or isinstance(notify, str) else ",".join(notify),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _addresses(self) -> Addresses:
        return (
            self.sender,
            list(self.recipients),
            self.envid,
            self.dsn_return,
            self.notify,
            self.require_tls,
        )


def content(message: MessageLike) -> bytes | str:
    """The bytes of a message, or the path of the file that holds them."""
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return message.encode("utf-8", "surrogateescape")
    if isinstance(message, Message):
        return _flat(message)
    if isinstance(message, os.PathLike):
        return os.fsdecode(message)
    if isinstance(message, (bytearray, memoryview)):
        return bytes(message)
    read = getattr(message, "read", None)
    if callable(read):
        text = read()
        return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)
    try:
        return bytes(memoryview(message))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            "a message is an email.message.Message, bytes, str, a file or a path, "
            f"not {type(message).__name__}"
        ) from None


def _flat(message: Message[Any, Any]) -> bytes:
    """A message of the standard library as smtplib would send it."""
    policy = message.policy.clone(linesep="\r\n")
    if isinstance(message, EmailMessage) and not _is_ascii(message):
        # Addresses beyond ASCII have no other form (RFC 6532).
        policy = policy.clone(utf8=True)  # type: ignore[call-arg]
    return message.as_bytes(policy=policy)


_ADDRESS_FIELDS = ("sender", "from", "to", "cc", "bcc", "resent-from", "resent-to", "resent-cc")


def _is_ascii(message: EmailMessage) -> bool:
    for name in _ADDRESS_FIELDS:
        for value in message.get_all(name, ()):
            if not all(one.addr_spec.isascii() for one in getattr(value, "addresses", ())):
                return False
    return True


def addresses(
    message: bytes | str,
    sender: str | None,
    recipients: str | Sequence[str] | None,
    envelope: Envelope | None,
) -> Addresses | None:
    """The envelope for the native layer; None to read it off the header."""
    if envelope is not None:
        if sender is not None or recipients is not None:
            raise TypeError("either an envelope, or sender and recipients")
        return envelope._addresses()
    if sender is None and recipients is None:
        return None
    if sender is None or recipients is None:
        header_sender, header_recipients = _header_addresses(message)
        sender = header_sender if sender is None else sender
        recipients = header_recipients if recipients is None else recipients
    # An empty sender is <>, as smtplib has it.
    return Envelope(sender or None, recipients)._addresses()


def _header_addresses(message: bytes | str) -> tuple[str | None, list[str]]:
    parser = BytesHeaderParser()
    if isinstance(message, str):
        with open(message, "rb") as file:  # noqa: PTH123
            header = parser.parse(file)
    else:
        header = parser.parsebytes(message)

    def all_of(*names: str) -> list[str]:
        fields = [str(value) for name in names for value in header.get_all(name, ())]
        return [address for _, address in getaddresses(fields) if address]

    sender = all_of("Sender") or all_of("From")
    return (sender[0] if sender else None), all_of("To", "Cc", "Bcc")
