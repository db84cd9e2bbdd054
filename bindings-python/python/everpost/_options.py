"""The options of a mailer, as keywords."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, Union

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

Time: TypeAlias = Union[float, timedelta, str]
"""A time: seconds, a :class:`datetime.timedelta`, or a text such as "500ms"."""

Seconds: TypeAlias = Union[float, timedelta]
"""A time: seconds, or a :class:`datetime.timedelta`."""

Size: TypeAlias = Union[int, str]
"""A size: bytes, or a text such as "50MB"."""

Path: TypeAlias = Union[str, "os.PathLike[str]"]

Trust: TypeAlias = Union[str, "os.PathLike[str]", bytes]
"""Roots: "system", "mozilla", the path of a PEM file, or the PEM itself as bytes."""

Token: TypeAlias = Union["Callable[[], str]", "Callable[[], Awaitable[str]]"]
"""Asked for an OAuth 2.0 access token: for each new session, and again when the
server has refused one."""


class Options(TypedDict, total=False):
    """What a mailer can be told. Every option has a default.

    The keys are those of the SMTP URL, and mean the same there.
    """

    host: str
    """The server, in place of a URL."""
    port: int
    """The port: 465, 587 or 25 by ``tls`` unless set."""
    tls: Literal["implicit", "starttls", "required", "opportunistic", "none"]
    """How TLS comes about: "implicit" unless the URL says otherwise."""
    username: str | None
    """Who logs in; nobody unless set."""
    password: str | None
    """The password."""
    token: Token | str | None
    """A callable or coroutine function that gives access tokens, or one token."""
    trust: Trust | Sequence[Trust] | None
    """Whom to trust: "system", "mozilla", or files: "system" unless set."""
    pin: str | Sequence[str] | None
    """SHA-256 of public keys, one of which must be in the chain."""
    identity: Path | tuple[Path | bytes, Path | bytes] | None
    """A certificate to show with its key: a PEM file with both, or two of them."""
    auth: str | Sequence[str]
    """The mechanisms to log in by, in this order: the strongest offered unless set."""
    auth_exclude: str | Sequence[str]
    """The mechanisms never to use."""
    allow_plaintext_auth: bool
    """Whether to log in without TLS: not unless set."""
    min_tls: Literal["1.2", "1.3"]
    """The oldest TLS: "1.2" unless set."""
    sni: str
    """The host name to ask for: the host unless set."""
    verify_name: str
    """The name that the certificate must carry: the host unless set."""
    danger_accept_any_certificate: bool
    """Accept any certificate: everybody on the way can read the mail."""
    resumption: bool
    """Whether TLS sessions are resumed: not unless set."""
    full_handshake_interval: Time
    """The oldest handshake that a resumed session may rest on: 60 min unless set."""
    expiry_margin: Time
    """How long before its certificate ends a connection retires: 60 s unless set."""
    probe_interval: Time
    """How often to look at the server between sends: never unless set."""
    ehlo: str
    """The name given with EHLO: the local address unless set."""
    proxy: str
    """``socks5://…`` or ``http://…``; none unless set."""
    bind: str
    """The local IP address to connect from."""
    connect_timeout: Time
    """For the name and all addresses together: 30 s unless set."""
    handshake_timeout: Time
    """For the TLS handshake: 30 s unless set."""
    greeting_timeout: Time
    """For the server's greeting: 60 s unless set."""
    command_timeout: Time
    """For the reply to a command: 60 s unless set."""
    checkout_timeout: Time
    """For a free connection: 60 s unless set."""
    data_timeout: Time
    """For each block of the message, to be read and to be written: 180 s unless set."""
    end_of_data_timeout: Time
    """For the verdict: 600 s unless set; a shorter one makes duplicates (RFC 5321)."""
    send_timeout: Time
    """For a whole send with its retries: none unless set."""
    max_connections: int
    """How many connections are open at once: 5 unless set."""
    max_idle: Time
    """How long a connection is parked: 60 s unless set."""
    max_age: Time
    """How long a connection is kept: 300 s unless set."""
    max_messages: int
    """How many messages a connection takes: no limit unless set."""
    fresh: bool
    """Whether each message gets a connection of its own: not unless set."""
    rate: str | tuple[int, Time]
    """At most so many messages in a time, such as "100/60s"."""
    max_attempts: int
    """How many connections are tried for one message: 3 unless set."""
    retry_transient: bool
    """Whether 4yz replies are retried too: not unless set."""
    on_unknown: Literal["report", "resend"]
    """What to do with a message that was handed over and never answered."""
    max_message_size: Size
    """The largest message: 50 MiB unless set."""
    max_attachment_size: Size
    """The largest attachment: 25 MiB unless set."""
    pipelining: bool
    """Whether to use PIPELINING where it is offered: yes unless set."""
    chunking: bool
    """Whether to use CHUNKING where it is offered: not unless set."""
    require_all_recipients: bool
    """Whether to send only if every recipient is accepted: not unless set."""


_TIMES: Final = frozenset(
    {
        "checkout_timeout",
        "command_timeout",
        "connect_timeout",
        "data_timeout",
        "end_of_data_timeout",
        "expiry_margin",
        "full_handshake_interval",
        "greeting_timeout",
        "handshake_timeout",
        "max_age",
        "max_idle",
        "probe_interval",
        "send_timeout",
    }
)
_LISTS: Final = frozenset({"auth", "auth_exclude"})
_OWN: Final = frozenset(
    {"host", "identity", "password", "pin", "port", "token", "trust", "username"}
)
_KNOWN: Final = frozenset(Options.__annotations__)


def settings(url: str | None, options: Mapping[str, Any], ask: object = None) -> dict[str, Any]:
    """Everything as the native layer takes it; ``ask`` answers requests for tokens."""
    unknown = options.keys() - _KNOWN
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    given = {key: value for key, value in options.items() if value is not None}
    trust, trust_pem = roots(given.get("trust"))
    pairs = [("trust", one) for one in trust]
    pairs += [("pin", one) for one in as_list(given.get("pin"))]
    pairs += [(key, _written(key, value)) for key, value in given.items() if key not in _OWN]
    return {
        "url": url,
        "host": given.get("host"),
        "port": given.get("port"),
        "options": pairs,
        "username": given.get("username"),
        "password": given.get("password"),
        "token": ask,
        "trust_pem": trust_pem,
        "identity": _identity(given.get("identity")),
    }


def roots(trust: Trust | Sequence[Trust] | None) -> tuple[list[str], list[bytes]]:
    """Whom to trust: by name or path, and by PEM."""
    given = as_list(trust)
    names = [os.fspath(one) for one in given if not _is_bytes(one)]
    return names, [bytes(one) for one in given if _is_bytes(one)]


def as_list(value: Any) -> list[Any]:
    """One or several as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, Sequence) and not _is_one(value) else [value]


def _is_one(value: object) -> bool:
    return isinstance(value, str) or _is_bytes(value)


def _is_bytes(value: object) -> bool:
    return isinstance(value, (bytes, bytearray, memoryview))


def _written(key: str, value: Any) -> str:
    """A value as the URL writes it."""
    if key in _LISTS:
        return ",".join(as_list(value))
    if key == "rate" and isinstance(value, tuple):
        messages, time = value
        return f"{messages}/{milliseconds(time)}"
    return text(value, is_time=key in _TIMES)


def text(value: Any, *, is_time: bool) -> str:
    """A value as options are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return milliseconds(value) if is_time else str(value)


def seconds(time: Seconds | None) -> float | None:
    """A time in seconds."""
    if time is None:
        return None
    return time.total_seconds() if isinstance(time, timedelta) else float(time)


def milliseconds(time: Time) -> str:
    """A time as the URL writes it, rounded up: no deadline becomes none."""
    if isinstance(time, str):
        return time
    value = seconds(time)
    if value is None or not math.isfinite(value):
        raise ValueError("a time is a finite number of seconds")
    return f"{math.ceil(value * 1000)}ms"


def _identity(identity: Any) -> tuple[bytes, bytes] | None:
    if identity is None:
        return None
    chain, key = identity if isinstance(identity, tuple) else (identity, identity)
    return _contents(chain), _contents(key)


def _contents(source: Any) -> bytes:
    if _is_bytes(source):
        return bytes(source)
    with open(source, "rb") as file:  # noqa: PTH123
        return file.read()
