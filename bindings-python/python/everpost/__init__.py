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

from everpost import _native, errors
from everpost._message import Envelope, MessageLike
from everpost._native import Receipt
from everpost._options import Options
from everpost.aio import AsyncMailer
from everpost.certificate import CertificateFile
from everpost.errors import *  # noqa: F403
from everpost.mailer import Mailer
from everpost.probing import adiagnose, aprobe, diagnose, probe
from everpost.reports import Certificate, CertificateReport, Diagnosis, Explanation, Finding, Report
from everpost.results import Event, Health, Rejection, Reply, SendResult, Stats
from everpost.watching import WatchEvent, awatch, watch

__version__: str = _native.version()

__all__ = [
    "AsyncMailer",
    "Certificate",
    "CertificateFile",
    "CertificateReport",
    "Diagnosis",
    "Envelope",
    "Event",
    "Explanation",
    "Finding",
    "Health",
    "Mailer",
    "MessageLike",
    "Options",
    "Receipt",
    "Rejection",
    "Reply",
    "Report",
    "SendResult",
    "Stats",
    "WatchEvent",
    "__version__",
    "adiagnose",
    "aprobe",
    "awatch",
    "diagnose",
    "probe",
    "watch",
]
__all__ += errors.__all__  # noqa: PLE0605

_atexit.register(_native.close_errands)
