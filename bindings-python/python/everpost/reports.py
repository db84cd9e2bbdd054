"""Typed reports: of probes, diagnoses, explanations and certificates.

Each is read out of the JSON that the schemas in ``docs/schema`` describe, the
same in every language; ``to_dict()`` and ``json`` have all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from everpost._document import Document, Judged, Verdict, moment
from everpost.findings import Certificate, CertificateReport, Finding, Leaf, findings_of
from everpost.results import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
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


class AddressReport(Judged):
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
        return findings_of(self._data)

    def all_findings(self) -> Iterator[Finding]:
        """Go through what was found here, the certificate included."""
        yield from self.findings
        if self.certificate is not None:
            yield from self.certificate.findings

    def __str__(self) -> str:
        return f"{self.ip} port {self.port}: {self.status}"


class ServerReport(Judged):
    """What a probe saw of one host."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """Its name."""
        return str(self._data["host"])

    @property
    def addresses(self) -> tuple[AddressReport, ...]:
        """What was seen at each of its addresses."""
        return tuple(map(AddressReport._read, self._data["addresses"]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found of the host as a whole."""
        return findings_of(self._data)

    def __str__(self) -> str:
        return f"{self.host}: {self.status}"


class Report(Verdict):
    """What a probe found: schema "everpost.probe/1"."""

    __slots__ = ()

    @property
    def target(self) -> dict[str, Any]:
        """What was probed."""
        return dict(self._data["target"])

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
        return findings_of(self._data)

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


class Diagnosis(Verdict):
    """How far a connection gets, and why no further: schema "everpost.diagnosis/1"."""

    __slots__ = ()

    @property
    def holds(self) -> bool:
        """Whether every step held."""
        return bool(self._data["holds"])

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
        return findings_of(self._data, "notes")

    @property
    def certificate(self) -> CertificateReport | None:
        """The verdict on the server's certificate."""
        return CertificateReport._maybe(self._data["certificate"])


class Explanation(Verdict):
    """Whose fault it is: schema "everpost.explanation/1"."""

    __slots__ = ()

    @property
    def fault(self) -> str:
        """Who is at fault, such as "none", "certificate" or "pool_stale"."""
        return str(self._data["fault"])

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
