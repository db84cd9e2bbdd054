"""What all reports have in common: they are JSON, read when looked at."""

from __future__ import annotations

import json as _json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self


class Document:
    """Fields out of JSON. Immutable, comparable, and picklable."""

    __slots__ = ("_data",)

    _data: Mapping[str, Any]

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> Self:
        document = cls.__new__(cls)
        object.__setattr__(document, "_data", data)
        return document

    @classmethod
    def _parse(cls, text: str) -> Self:
        return cls._read(_json.loads(text))

    @classmethod
    def _maybe(cls, data: Mapping[str, Any] | None) -> Self | None:
        return None if data is None else cls._read(data)

    def _text(self, key: str) -> str | None:
        text: str | None = self._data.get(key)
        return text

    def to_dict(self) -> dict[str, Any]:
        """All fields, as the schema of the JSON has them."""
        return dict(self._data)

    @property
    def json(self) -> str:
        """All fields as JSON."""
        return _json.dumps(self._data)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._data == other._data

    def __hash__(self) -> int:
        return hash(self.json)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._read, (self._data,)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


class Judged(Document):
    """A document with a verdict."""

    __slots__ = ()

    @property
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])


class Verdict(Judged):
    """A document whose verdict has a sentence."""

    __slots__ = ()

    @property
    def summary(self) -> str:
        """The verdict on one line."""
        return str(self._data["summary"])

    def __str__(self) -> str:
        return f"{self.status}: {self.summary}"


def moment(text: str) -> datetime:
    """Read a moment of RFC 3339, which is in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def moment_or_none(text: str | None) -> datetime | None:
    """Read a moment, if there is one."""
    return None if text is None else moment(text)
