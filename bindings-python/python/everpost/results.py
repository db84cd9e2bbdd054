"""What operations give back, and what errors carry. All of it is immutable."""

from __future__ import annotations

import json as _json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from everpost._document import Document, moment_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from everpost._native import Receipt
    from everpost.errors import Error
    from everpost.reports import Leaf

__all__ = ["Event", "Health", "Rejection", "Reply", "SendResult", "Stats"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of a server.

    Attributes:
        code: The three digits, such as 250.
        enhanced: The enhanced status code, such as "2.0.0"; None without one.
        lines: The text of each line, without the code but as it came.

    """

    code: int
    enhanced: str | None = None
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The lines, joined by line ends."""
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return " ".join((str(self.code), *self.lines))

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Reply:
        return cls(data["code"], data["enhanced"], tuple(data["lines"]))


@dataclass(frozen=True, slots=True)
class Rejection:
    """A recipient that the server refused, with its reply.

    Attributes:
        address: The recipient.
        reply: What the server said.

    """

    address: str
    reply: Reply

    def __str__(self) -> str:
        return f"{self.address}: {self.reply}"

    @classmethod
    def _read_all(cls, data: Sequence[Mapping[str, Any]]) -> tuple[Rejection, ...]:
        return tuple(cls(one["address"], Reply._read(one["reply"])) for one in data)


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one message of many: a receipt, or an error.

    Attributes:
        index: The place of the message among those that were given, from 0.
        receipt: The receipt; None if sending failed.
        error: Why sending failed; None if it did not.

    """

    index: int
    receipt: Receipt | None = field(default=None)
    error: Error | None = field(default=None)

    @property
    def ok(self) -> bool:
        """Whether the server accepted the message."""
        return self.error is None

    def unwrap(self) -> Receipt:
        """Return the receipt, or raise the error."""
        if self.error is not None:
            raise self.error
        if self.receipt is None:
            raise ValueError("this result has neither a receipt nor an error")
        return self.receipt


class Health(Document):
    """Whether the server can be used, from what was seen: schema "everpost.health/1"."""

    __slots__ = ()

    @property
    def status(self) -> str:
        """How it does: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def ok(self) -> bool:
        """Whether messages can be sent: it is not unhealthy."""
        return self.status != "unhealthy"

    @property
    def leaf(self) -> Leaf | None:
        """The certificate that is near its end."""
        from everpost.reports import Leaf  # noqa: PLC0415

        return Leaf._maybe(self._data["leaf"])

    @property
    def critical(self) -> bool:
        """Whether that end is near enough to wake someone."""
        return bool(self._data["critical"])

    @property
    def error(self) -> Error | None:
        """Why it cannot be used."""
        from everpost.errors import _from_data  # noqa: PLC0415

        data = self._data["error"]
        return None if data is None else _from_data(data)

    @property
    def since(self) -> datetime | None:
        """Since when it cannot be used."""
        return moment_or_none(self._data["since"])

    def __str__(self) -> str:
        return self.status


class Stats(Document):
    """The counters of a mailer at one moment: schema "everpost.stats/1"."""

    __slots__ = ("_prometheus",)

    _prometheus: str

    @classmethod
    def _of(cls, text: str, prometheus: str) -> Stats:
        stats = cls._parse(text)
        object.__setattr__(stats, "_prometheus", prometheus)
        return stats

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._of, (self.json, self._prometheus)

    def _count(self, key: str) -> int:
        return int(self._data[key])

    @property
    def prometheus(self) -> str:
        """The counters in Prometheus' text format, labelled with the endpoint."""
        return self._prometheus

    @property
    def accepted(self) -> int:
        """Messages that the server accepted."""
        return self._count("accepted")

    @property
    def refused(self) -> int:
        """Messages that the server refused."""
        return self._count("refused")

    @property
    def unknown(self) -> int:
        """Messages whose delivery is unknown."""
        return self._count("unknown")

    @property
    def not_sent(self) -> int:
        """Messages that were not sent."""
        return self._count("not_sent")

    @property
    def late_verdicts(self) -> int:
        """Verdicts that came after their senders had left."""
        return self._count("late_verdicts")

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return self._count("retries")

    @property
    def opened(self) -> int:
        """Connections that were opened."""
        return self._count("opened")

    @property
    def open_failures(self) -> int:
        """Connections that could not be opened."""
        return self._count("open_failures")

    @property
    def full_handshakes(self) -> int:
        """Handshakes that showed the certificate."""
        return self._count("full_handshakes")

    @property
    def resumed_handshakes(self) -> int:
        """Handshakes that resumed a session."""
        return self._count("resumed_handshakes")

    @property
    def rotations(self) -> int:
        """Renewals of the server's certificate."""
        return self._count("rotations")

    @property
    def retired(self) -> dict[str, int]:
        """Connections that were taken out of the pool, by why."""
        return dict(self._data["retired"])

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return self._count("connections")

    @property
    def idle(self) -> int:
        """Connections that are parked now."""
        return self._count("idle")

    @property
    def queued(self) -> int:
        """Messages that wait for a connection now."""
        return self._count("queued")

    def __str__(self) -> str:
        return (
            f"{self.accepted} accepted, {self.refused} refused, {self.unknown} unknown, "
            f"{self.not_sent} not sent, {self.connections} connections"
        )


class Event(Document):
    """Something that happened in a mailer: schema "everpost.event/1".

    What each has besides :attr:`name` depends on it; what it has not is None.
    """

    __slots__ = ("_missed",)

    _missed: int

    @classmethod
    def _of(cls, text: str, missed: int) -> Event:
        event = cls._parse(text)
        object.__setattr__(event, "_missed", missed)
        return event

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._of, (self.json, self._missed)

    @property
    def name(self) -> str:
        """What happened.

        "rotated", "rolled_back", "retired", "retried", "expiring", "unhealthy",
        "recovered", "delivery_unknown" or "late_verdict".
        """
        return str(self._data["event"])

    @property
    def text(self) -> str:
        """One line for a log."""
        return str(self._data["text"])

    @property
    def missed(self) -> int:
        """How many events this reader has lost so far by being slow."""
        return self._missed

    @property
    def message_id(self) -> str | None:
        """The Message-ID of the message it is about."""
        return self._text("message_id")

    @property
    def error(self) -> Error | None:
        """The error behind it."""
        from everpost.errors import _from_data  # noqa: PLC0415

        data = self._data.get("error")
        return None if data is None else _from_data(data)

    @property
    def reply(self) -> Reply | None:
        """Of "late_verdict": the server's reply."""
        data = self._data.get("reply")
        return None if data is None else Reply._read(data)

    @property
    def delivery(self) -> str | None:
        """Of "late_verdict": "accepted" or "refused"."""
        return self._text("delivery")

    @property
    def reason(self) -> str | None:
        """Of "retired": why, such as "rotated" or "age"."""
        return self._text("reason")

    @property
    def leaf(self) -> Leaf | None:
        """The certificate it is about: of "rotated" the new, of "rolled_back" the one seen."""
        from everpost.reports import Leaf  # noqa: PLC0415

        data = self._data
        return Leaf._maybe(data.get("leaf") or data.get("new") or data.get("seen"))

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


# For the native layer.


def _reply(text: str) -> Reply:
    return Reply._read(_json.loads(text))


def _rejections(text: str) -> tuple[Rejection, ...]:
    return Rejection._read_all(_json.loads(text))


def _fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = _json.loads(text)
    return fields
