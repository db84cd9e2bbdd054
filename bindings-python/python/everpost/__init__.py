"""Rotation-safe SMTP sending, and probing of mail servers' certificates.

    from everpost import Mailer

    mailer = Mailer("smtps://app:secret@mail.example.org")
    receipt = mailer.send(message)

One :class:`Mailer` serves a whole process for its whole life: the server's
certificate renews, the server restarts, connections die, and every message is
delivered once, or the caller is told exactly what is known of it.
"""

from __future__ import annotations

import atexit as _atexit

from everpost import _native
from everpost._message import Envelope, MessageLike
from everpost._native import Receipt
from everpost._options import Options
from everpost.aio import AsyncMailer
from everpost.certificate import CertificateFile
from everpost.errors import (
    AuthenticationError,
    CancelledError,
    CertificateError,
    ClosedError,
    ConfigError,
    ConnectError,
    DataRefusedError,
    DeliveryUnknownError,
    DnsError,
    Error,
    InternalError,
    MessageError,
    ProtocolError,
    RecipientsRefusedError,
    RejectedError,
    SenderRefusedError,
    TimeoutError,  # noqa: A004
    TlsError,
    UnsupportedError,
    outcome,
)
from everpost.mailer import Mailer
from everpost.probing import adiagnose, aprobe, diagnose, probe
from everpost.reports import Certificate, CertificateReport, Diagnosis, Explanation, Finding, Report
from everpost.results import Event, Health, Rejection, Reply, SendResult, Stats
from everpost.watching import WatchEvent, awatch, watch

__version__: str = _native.version()

__all__ = [
    "AsyncMailer",
    "AuthenticationError",
    "CancelledError",
    "Certificate",
    "CertificateError",
    "CertificateFile",
    "CertificateReport",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "DataRefusedError",
    "DeliveryUnknownError",
    "Diagnosis",
    "DnsError",
    "Envelope",
    "Error",
    "Event",
    "Explanation",
    "Finding",
    "Health",
    "InternalError",
    "Mailer",
    "MessageError",
    "MessageLike",
    "Options",
    "ProtocolError",
    "Receipt",
    "RecipientsRefusedError",
    "RejectedError",
    "Rejection",
    "Reply",
    "Report",
    "SendResult",
    "SenderRefusedError",
    "Stats",
    "TimeoutError",
    "TlsError",
    "UnsupportedError",
    "WatchEvent",
    "__version__",
    "adiagnose",
    "aprobe",
    "awatch",
    "diagnose",
    "outcome",
    "probe",
    "watch",
]

_atexit.register(_native.close_errands)
