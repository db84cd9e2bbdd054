"""Typed reports: of probes, diagnoses, explanations and certificates.

Each is read out of the JSON that the schemas in ``docs/schema`` describe, the
same in every language; ``to_dict()`` and ``json`` have all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everpost._document import Document, moment, moment_or_none
from everpost.results import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

__all__ = [
    "AddressReport",
    "Certificate",
    "CertificateReport",
    "Diagnosis",
    "Explanation",
    "Finding",
    "Leaf",
    "Report",
    "Rung",
    "ServerReport",
]


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


def _findings(data: Mapping[str, Any], key: str = "findings") -> tuple[Finding, ...]:
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


class CertificateReport(Document):
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
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def summary(self) -> str:
        """The verdict on one line."""
        return str(self._data["summary"])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found, the worst first."""
        return _findings(self._data)

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """The certificates that the server showed, its own first."""
        return tuple(map(Certificate._read, self._data["chain"]))

    @property
    def leaf(self) -> Certificate | None:
        """The server's own certificate."""
        return next(iter(self.chain), None)

    def __str__(self) -> str:
        return f"{self.status}: {self.summary}"


class AddressReport(Document):
    """What a probe saw at one address."""

    __slots__ = ()

    @property
    def ip(self) -> str:
        """The address."""
        return str(self._data["ip"])

    @property
    def port(self) -> int:
        """The port."""
        return int(self._data["port"])

    @property
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def tls(self) -> dict[str, Any] | None:
        """Protocol, cipher and group; None without TLS."""
        tls: dict[str, Any] | None = self._data["tls"]
        return tls

    @property
    def timings(self) -> dict[str, float | None]:
        """How long each stage took, in seconds."""
        return dict(self._data["timings"])

    @property
    def capabilities(self) -> dict[str, Any] | None:
        """What the server offers, after TLS."""
        capabilities: dict[str, Any] | None = self._data["capabilities"]
        return capabilities

    @property
    def certificate(self) -> CertificateReport | None:
        """The verdict on its certificate."""
        return CertificateReport._maybe(self._data["certificate"])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found here, besides the certificate."""
        return _findings(self._data)

    def all_findings(self) -> Iterator[Finding]:
        """Go through what was found here, the certificate included."""
        yield from self.findings
        if self.certificate is not None:
            yield from self.certificate.findings

    def __str__(self) -> str:
        return f"{self.ip} port {self.port}: {self.status}"


class ServerReport(Document):
    """What a probe saw of one host."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """Its name."""
        return str(self._data["host"])

    @property
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def addresses(self) -> tuple[AddressReport, ...]:
        """What was seen at each of its addresses."""
        return tuple(map(AddressReport._read, self._data["addresses"]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found of the host as a whole."""
        return _findings(self._data)

    def __str__(self) -> str:
        return f"{self.host}: {self.status}"


class Report(Document):
    """What a probe found: schema "everpost.probe/1"."""

    __slots__ = ()

    @property
    def target(self) -> dict[str, Any]:
        """What was probed."""
        return dict(self._data["target"])

    @property
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def summary(self) -> str:
        """The verdict on one line."""
        return str(self._data["summary"])

    @property
    def started_at(self) -> datetime:
        """When it began."""
        return moment(self._data["started_at"])

    @property
    def servers(self) -> tuple[ServerReport, ...]:
        """What was seen of each host."""
        return tuple(map(ServerReport._read, self._data["servers"]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found of the whole; see :meth:`all_findings`."""
        return _findings(self._data)

    @property
    def certificate(self) -> CertificateReport | None:
        """The verdict on the certificate that was seen first."""
        every = (address for server in self.servers for address in server.addresses)
        return next((one.certificate for one in every if one.certificate is not None), None)

    def all_findings(self) -> Iterator[Finding]:
        """Go through all that was found, anywhere."""
        yield from self.findings
        for server in self.servers:
            yield from server.findings
            for address in server.addresses:
                yield from address.all_findings()

    def __str__(self) -> str:
        return f"{self.status}: {self.summary}"


class Rung(Document):
    """One step of a diagnosis."""

    __slots__ = ()

    @property
    def step(self) -> str:
        """Which, such as "handshake"."""
        return str(self._data["step"])

    @property
    def outcome(self) -> str:
        """Whether it held, such as "held", "failed" or "skipped"."""
        return str(self._data["outcome"])

    @property
    def detail(self) -> str | None:
        """What was seen."""
        return self._text("detail")

    @property
    def seconds(self) -> float:
        """How long it took."""
        return float(self._data["seconds"])

    def __str__(self) -> str:
        return f"{self.step}: {self.outcome}"


class Diagnosis(Document):
    """How far a connection gets, and why no further: schema "everpost.diagnosis/1"."""

    __slots__ = ()

    @property
    def holds(self) -> bool:
        """Whether every step held."""
        return bool(self._data["holds"])

    @property
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def summary(self) -> str:
        """The verdict on one line."""
        return str(self._data["summary"])

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The steps, in order."""
        return tuple(map(Rung._read, self._data["rungs"]))

    @property
    def failed_at(self) -> str | None:
        """The step that did not hold."""
        return self._text("failed_at")

    @property
    def cause(self) -> Finding | None:
        """Why it did not."""
        return Finding._maybe(self._data["cause"])

    @property
    def remedy(self) -> str | None:
        """What to do about it."""
        return self._text("remedy")

    @property
    def reply(self) -> Reply | None:
        """What the server said there."""
        data = self._data["reply"]
        return None if data is None else Reply._read(data)

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What was noticed on the way."""
        return _findings(self._data, "notes")

    @property
    def certificate(self) -> CertificateReport | None:
        """The verdict on the server's certificate."""
        return CertificateReport._maybe(self._data["certificate"])

    def __str__(self) -> str:
        return f"{self.status}: {self.summary}"


class Explanation(Document):
    """Whose fault it is: schema "everpost.explanation/1"."""

    __slots__ = ()

    @property
    def status(self) -> str:
        """The verdict: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def fault(self) -> str:
        """Who is at fault, such as "none", "certificate" or "pool_stale"."""
        return str(self._data["fault"])

    @property
    def summary(self) -> str:
        """The answer in a sentence."""
        return str(self._data["summary"])

    @property
    def remedy(self) -> str | None:
        """What to do."""
        return self._text("remedy")

    @property
    def served(self) -> Leaf | None:
        """The certificate that the server shows now."""
        return Leaf._maybe(self._data["served"])

    @property
    def pooled(self) -> tuple[Leaf, ...]:
        """The certificates that the mailer's connections were made with."""
        return tuple(map(Leaf._read, self._data["pooled"]))

    @property
    def file(self) -> Leaf | None:
        """The certificate in the file that was given."""
        return Leaf._maybe(self._data["file"])

    def __str__(self) -> str:
        return f"{self.fault}: {self.summary}"
