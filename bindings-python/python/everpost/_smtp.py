"""What the arguments of :mod:`smtplib` mean, and what there is none of here."""

from __future__ import annotations

import smtplib as _std
import socket
from email.utils import parseaddr
from smtplib import SMTPNotSupportedError
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["DEFAULT_TIMEOUT", "NoConversation", "address", "deadlines", "origin", "wishes"]

DEFAULT_TIMEOUT: Final[Any] = socket._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]
"""The timeout of sockets, as :func:`socket.setdefaulttimeout` has set it."""

_DEADLINES: Final = (
    "connect_timeout",
    "handshake_timeout",
    "greeting_timeout",
    "command_timeout",
    "checkout_timeout",
    "data_timeout",
    "end_of_data_timeout",
)
"""What a timeout of a socket bounds, one by one."""


class NoConversation(_std.SMTP):
    """The methods that want a single conversation: there is a pool of them."""

    def docmd(self, cmd: str, args: str = "") -> tuple[int, bytes]:
        """Raise: there is no single conversation that a command could be part of."""
        del args
        _no_conversation(cmd)

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Raise, as :meth:`docmd`."""
        del args
        _no_conversation(cmd)

    def send(self, s: Buffer | str) -> None:
        """Raise, as :meth:`docmd`."""
        del s
        _no_conversation("send()")

    def getreply(self) -> tuple[int, bytes]:
        """Raise, as :meth:`docmd`."""
        _no_conversation("getreply()")

    def data(self, msg: Buffer | str) -> tuple[int, bytes]:
        """Raise, as :meth:`docmd`."""
        del msg
        _no_conversation("DATA")

    def auth(
        self, mechanism: str, authobject: Any, *, initial_response_ok: bool = True
    ) -> NoReturn:
        """Raise: see ``auth`` and ``token`` of :class:`everpost.Mailer`."""
        del authobject, initial_response_ok
        raise SMTPNotSupportedError(
            f"AUTH {mechanism} cannot be spoken by the program: name the mechanism in "
            'options={"auth": …}, or give a token in options={"username": …, "token": …}'
        )


def _no_conversation(what: str) -> NoReturn:
    raise SMTPNotSupportedError(
        f"{what}: everpost.smtplib has a pool of connections and no single conversation; "
        "use the standard library's smtplib for that"
    )


def address(text: str) -> str:
    """The address alone, without a display name."""
    return parseaddr(text)[1] or text.strip().removeprefix("<").removesuffix(">")


def deadlines(timeout: Any) -> dict[str, float]:
    """The deadlines that a timeout of a socket sets."""
    if timeout is DEFAULT_TIMEOUT:
        timeout = socket.getdefaulttimeout()
    if timeout is None:
        return {}
    if not timeout:
        raise ValueError("Non-blocking socket (timeout=0) is not supported")
    return dict.fromkeys(_DEADLINES, float(timeout))


def origin(source: Any) -> dict[str, str]:
    """The local address to connect from."""
    if not source:
        return {}
    host, port = source
    if port:
        raise ValueError("source_address: the port must be 0, since there is a pool of connections")
    host = host if isinstance(host, str) else bytes(host).decode("ascii")
    return {"bind": host} if host else {}


def wishes(mail_options: Sequence[str], rcpt_options: Sequence[str]) -> dict[str, Any]:
    """Parameters of MAIL and RCPT, as an envelope has them."""
    wishes: dict[str, Any] = {}
    for option in mail_options:
        name, _, value = option.partition("=")
        match name.upper():
            case "BODY" | "SIZE" | "SMTPUTF8":
                pass  # Said by themselves where they are needed.
            case "REQUIRETLS":
                wishes["require_tls"] = True
            case "RET":
                wishes["dsn_return"] = value.lower()
            case "ENVID":
                wishes["envid"] = _xtext(value)
            case _:
                raise SMTPNotSupportedError(f"{name} is not a known parameter of MAIL")
    for option in rcpt_options:
        name, _, value = option.partition("=")
        if name.upper() != "NOTIFY":
            raise SMTPNotSupportedError(f"{name} is not a known parameter of RCPT")
        wishes["notify"] = value.lower()
    return wishes


def _xtext(text: str) -> str:
    """What an xtext (RFC 3461) stands for; it is written anew when it is sent."""
    head, *parts = text.split("+")
    return head + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts)
