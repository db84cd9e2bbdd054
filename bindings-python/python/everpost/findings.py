"""What is found of certificates: findings, and the facts behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everpost._document import Document, Verdict, moment, moment_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = ["Certificate", "CertificateReport", "Finding", "Leaf"]


class Finding(Document):
    """Something that was found. docs/findings.md explains each by its id."""

    __slots__ = ()

    @property
    def id(self) -> str:
        """The stable name, such as "expired"."""
        return str(self._data["id"])

    @property
    def axis(self) -> str:
        """What it is about, such as "time" or "trust"."""
        return str(self._data["axis"])

    @property
    def severity(self) -> str:
        """How bad it is: "info", "warning" or "critical"."""
        return str(self._data["severity"])

    @property
    def message(self) -> str:
        """What was found, in a sentence."""
        return str(self._data["message"])

    @property
    def remedy(self) -> str | None:
        """What to do about it."""
        return self._text("remedy")

    @property
    def evidence(self) -> dict[str, str]:
        """The facts behind it, by name."""
        return dict(self._data["evidence"])

    def __str__(self) -> str:
        return f"{self.id}: {self.message}"


def findings_of(data: Mapping[str, Any], key: str = "findings") -> tuple[Finding, ...]:
    """Read the findings of a report."""
    return tuple(map(Finding._read, data[key] or ()))


class Leaf(Document):
    """A server's certificate in a few words."""

    __slots__ = ()

    @property
    def sha256(self) -> str:
        """SHA-256 over its DER, in hexadecimal."""
        return str(self._data["sha256"])

    @property
    def serial(self) -> str:
        """Its serial number, in hexadecimal."""
        return str(self._data["serial"])

    @property
    def not_before(self) -> datetime:
        """From when it is valid."""
        return moment(self._data["not_before"])

    @property
    def not_after(self) -> datetime:
        """Until when it is valid."""
        return moment(self._data["not_after"])

    def __str__(self) -> str:
        return f"{self.serial}, valid until {self._data['not_after']}"


class Certificate(Leaf):
    """What a certificate says. Nothing of it is trusted for being here."""

    __slots__ = ()

    @property
    def subject(self) -> str:
        """Whom it names."""
        return str(self._data["subject"])

    @property
    def issuer(self) -> str:
        """Who issued it."""
        return str(self._data["issuer"])

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The host names it is good for."""
        return tuple(self._data["dns_names"])

    @property
    def ip_addresses(self) -> tuple[str, ...]:
        """The addresses it is good for."""
        return tuple(self._data["ip_addresses"])

    @property
    def key_algorithm(self) -> str:
        """The kind of its key."""
        return str(self._data["key_algorithm"])

    @property
    def key_bits(self) -> int | None:
        """The size of its key."""
        bits: int | None = self._data["key_bits"]
        return bits

    @property
    def signature_algorithm(self) -> str:
        """How it was signed."""
        return str(self._data["signature_algorithm"])

    @property
    def is_ca(self) -> bool:
        """Whether it may sign others."""
        return bool(self._data["is_ca"])

    @property
    def is_self_signed(self) -> bool:
        """Whether its own key signed it."""
        return bool(self._data["is_self_signed"])

    @property
    def spki_pin(self) -> str:
        """SHA-256 of its public key, as ``pin=`` takes it."""
        return str(self._data["spki_pin"])

    def __str__(self) -> str:
        return f"{self.subject}, valid until {self._data['not_after']}"


class CertificateReport(Verdict):
    """The verdict on the certificate of a server, and its chain."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """For which host it was judged."""
        return str(self._data["host"])

    @property
    def checked_at(self) -> datetime | None:
        """For which moment it was judged."""
        return moment_or_none(self._data["checked_at"])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the worst first."""
        return findings_of(self._data)

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """The certificates that the server showed, its own first."""
        return tuple(map(Certificate._read, self._data["chain"]))

    @property
    def leaf(self) -> Certificate | None:
        """The server's own certificate."""
        return next(iter(self.chain), None)
