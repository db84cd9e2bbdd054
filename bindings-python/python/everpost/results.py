"""What operations give back, and what errors carry. All of it is immutable."""

from __future__ import annotations

import json as _json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from everpost._native import Receipt
    from everpost.errors import Error

__all__ = ["Rejection", "Reply", "SendResult"]


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


# For the native layer.


def _reply(text: str) -> Reply:
    return Reply._read(_json.loads(text))


def _rejections(text: str) -> tuple[Rejection, ...]:
    return Rejection._read_all(_json.loads(text))


def _fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = _json.loads(text)
    return fields
