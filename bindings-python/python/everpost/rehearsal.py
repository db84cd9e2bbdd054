"""A real mail server on loopback for tests, which rotates its certificate on command.

docs/rehearsal.md has everything it can be told.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from everpost import _native

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["ReceivedMessage", "Rehearsal", "RehearsalError"]


class RehearsalError(Exception):
    """The server did not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message that the server holds.

    Attributes:
        message_id: Its Message-ID, without angle brackets; None without one.
        sender: The envelope's sender; empty for ``<>``.
        recipients: The envelope's recipients.
        data: The message as it came, without dot-stuffing.
        details: Everything that the server noted.

    """

    message_id: str | None
    sender: str
    recipients: tuple[str, ...]
    data: bytes
    details: dict[str, Any]


class Rehearsal:
    """A mail server in this process; stopped by :meth:`stop`, or by leaving ``with``.

    Args:
        **options: What it is told before it starts, such as
            ``credentials={"app": "secret"}``, ``tls="1.2"`` or ``settings={…}``.

    Raises:
        ConfigError: An option cannot work.

    """

    def __init__(self, **options: Any) -> None:
        self._native = _native.Rehearsal(json.dumps(options))
        self._listening: dict[str, Any] = json.loads(self._native.listening)
        self._lock = threading.Lock()
        self._ca_file: tuple[str, weakref.finalize[..., Any]] | None = None
        user = next(iter(options.get("credentials") or {}), None)
        self._login = (
            "" if user is None
            else f"{quote(user, safe='')}:{quote(options['credentials'][user], safe='')}@"
        )  # fmt: skip

    @property
    def host(self) -> str:
        """The host name that its certificate carries."""
        return str(self._listening["host"])

    @property
    def port(self) -> int:
        """The port with TLS from the first byte."""
        return self._port("implicit")

    @property
    def starttls_port(self) -> int:
        """The port with STARTTLS."""
        return self._port("starttls")

    @property
    def plain_port(self) -> int:
        """The port without TLS."""
        return self._port("plain")

    def _port(self, listener: str) -> int:
        return int(self._listening[listener].rpartition(":")[2])

    @property
    def listening(self) -> dict[str, Any]:
        """Where it listens, its root and its first leaf: what it says first."""
        return dict(self._listening)

    @property
    def url(self) -> str:
        """The SMTP URL of the port with TLS, for a mailer that trusts its root."""
        return f"smtps://{self._login}{self.host}:{self.port}{self._trust()}"

    @property
    def starttls_url(self) -> str:
        """The same of the port with STARTTLS."""
        return f"smtp://{self._login}{self.host}:{self.starttls_port}{self._trust()}"

    @property
    def plain_url(self) -> str:
        """The SMTP URL of the port without TLS."""
        allowed = "&allow_plaintext_auth=true" if self._login else ""
        return f"smtp://{self._login}{self.host}:{self.plain_port}?tls=none{allowed}"

    def _trust(self) -> str:
        return f"?trust={quote(self.ca_file)}"

    @property
    def ca_pem(self) -> str:
        """The root that its certificates lead to, in PEM."""
        return str(self._listening["ca_pem"])

    @property
    def ca_file(self) -> str:
        """The path of a file with that root, which goes when the server stops."""
        with self._lock:
            if self._ca_file is None:
                handle, path = tempfile.mkstemp(prefix="everpost-rehearsal-", suffix=".pem")
                with os.fdopen(handle, "w", encoding="ascii") as file:
                    file.write(self.ca_pem)
                self._ca_file = path, weakref.finalize(self, _remove, path, os.getpid())
            return self._ca_file[0]

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask for one thing, such as ``{"do": "rotate"}``, and return the answer.

        Raises:
            RehearsalError: It could not be done.

        """
        answer: dict[str, Any] = json.loads(self._native.request(json.dumps(request)))
        if not answer.get("ok"):
            raise RehearsalError(answer.get("error", "the server does not say why"))
        return answer

    def rotate(self, **how: Any) -> dict[str, Any]:
        """Renew the certificate, and return the new leaf. ``restart=True`` restarts too."""
        leaf: dict[str, Any] = self.request({"do": "rotate", **how})["leaf"]
        return leaf

    def expire(self) -> dict[str, Any]:
        """Present an expired certificate from now on, and return its leaf."""
        return self.present("expired")

    def present(self, chain: str) -> dict[str, Any]:
        """Present such a chain from now on, such as "wrong_name"; "good" ends it."""
        leaf: dict[str, Any] = self.request({"do": "present", "chain": chain})["leaf"]
        return leaf

    def inject(self, at: Any, action: Any, *, on: Any = "any", keep: bool | None = None) -> int:
        """Misbehave ``at`` a stage, and return the number of the fault."""
        request = {"do": "inject", "at": at, "action": action, "on": on}
        if keep is not None:
            request["keep"] = keep
        return int(self.request(request)["fault"])

    def wait(self, **what: Any) -> None:
        """Wait for ``messages=n``, ``fault=number`` or ``closed=True``."""
        self.request({"do": "wait", **what})

    def received(self) -> list[ReceivedMessage]:
        """All messages that it holds, in order."""
        return [
            ReceivedMessage(
                one["message_id"],
                one["from"],
                tuple(one["recipients"]),
                base64.b64decode(one.get("data_base64") or ""),
                one,
            )
            for one in self.request({"do": "received", "bodies": True})["received"]
        ]

    def counts(self) -> dict[str, int]:
        """How many copies it holds of each message, by Message-ID without brackets."""
        counts: dict[str, int] = self.request({"do": "counts"})["counts"]
        return counts

    def stats(self) -> dict[str, Any]:
        """Its counters, such as "connections" and "handshakes_full"."""
        stats: dict[str, Any] = self.request({"do": "stats"})["stats"]
        return stats

    def stop(self) -> None:
        """Stop: connections end. May be called twice."""
        self._native.stop()
        with self._lock:
            if self._ca_file is not None:
                _, remove = self._ca_file
                self._ca_file = None
                remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Rehearsal {self.host}, port {self.port}>"


def _remove(path: str, process: int) -> None:
    """Remove a file, but not that of a parent process."""
    if os.getpid() == process:
        with contextlib.suppress(OSError):
            os.unlink(path)  # noqa: PTH108
