"""The exceptions. All of them are :class:`Error`.

Each is also an instance of the standard library's kin, so that handlers that
were written for :mod:`smtplib`, :mod:`ssl` or :mod:`socket` still catch.
"""

from __future__ import annotations

import builtins
import json as _json
import smtplib
import ssl
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from everpost import _native
from everpost.results import Rejection, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from everpost._native import LateVerdict, Receipt

__all__ = [
    "AuthenticationError",
    "CancelledError",
    "CertificateError",
    "ClosedError",
    "ConfigError",
    "ConnectError",
    "DataRefusedError",
    "DeliveryUnknownError",
    "DnsError",
    "Error",
    "InternalError",
    "MessageError",
    "ProtocolError",
    "RecipientsRefusedError",
    "RejectedError",
    "SenderRefusedError",
    "TimeoutError",
    "TlsError",
    "UnsupportedError",
    "outcome",
]


class Error(Exception):
    """Why something failed. Never holds a password, a token or a message's text.

    ``str()`` is one line for a log; :attr:`report` has all that is known, for
    a person. Instances can be pickled.
    """

    _kind: ClassVar[str] = "internal"

    _data: Mapping[str, Any]
    _report: str | None
    _late: LateVerdict | None
    _receipt: Receipt | None

    def __init__(
        self,
        message: str = "",
        *,
        data: Mapping[str, Any] | None = None,
        report: str | None = None,
    ) -> None:
        """Make an error. The library makes its own; this is for tests of handlers.

        Args:
            message: One line.
            data: Fields, as :meth:`to_dict` gives them.
            report: All that is known.

        """
        # Not super().__init__(): the kin want arguments of their own.
        fields: dict[str, Any] = {"schema": "everpost.error/1", "kind": self._kind}
        fields.update(data or {})
        fields.setdefault("message", message or self._kind)
        self._data = MappingProxyType(fields)
        self._report = report
        self._late = None
        self._receipt = None
        self._fill()

    def _fill(self) -> None:
        """Fill in what readers of the kin look at."""
        self.args = (self.message,)

    @property
    def message(self) -> str:
        """One line for a log: what happened, where, and what to do."""
        return str(self._data["message"])

    @property
    def kind(self) -> str:
        """What went wrong, by its stable name, such as "certificate"."""
        return str(self._data["kind"])

    @property
    def stage(self) -> str:
        """Where in the conversation, such as "handshake" or "end_of_data"."""
        return str(self._data.get("stage", "prepare"))

    @property
    def delivery(self) -> str:
        """What is known of the message.

        "not_sent": it is safe to send it again. "refused": the server will
        not deliver it. "unknown": it may or may not have been delivered.
        """
        return str(self._data.get("delivery", "not_sent"))

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without a change.

        It says nothing of duplicates: see :attr:`delivery`.
        """
        return bool(self._data.get("retryable", False))

    @property
    def reply(self) -> Reply | None:
        """The server's reply, when it was the cause."""
        data = self._data.get("reply")
        return None if data is None else Reply._read(data)

    @property
    def certificate(self) -> CertificateReport | None:
        """The report on the server's certificate, when it was the cause."""
        data = self._data.get("certificate")
        return None if data is None else CertificateReport._read(data)

    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """The recipients that were refused one by one."""
        return Rejection._read_all(self._data.get("rejected", ()))

    @property
    def attempts(self) -> int:
        """How many connections were tried for the message."""
        return int(self._data.get("attempts", 0))

    @property
    def hint(self) -> str | None:
        """What to do about it, in one sentence."""
        return self._data.get("hint")

    @property
    def message_id(self) -> str | None:
        """The Message-ID of the message concerned, for the server's log."""
        return self._data.get("message_id")

    @property
    def envelope(self) -> Envelope | None:
        """Who sent the message concerned to whom."""
        recipients = self._data.get("recipients")
        return Envelope(self._data.get("sender"), tuple(recipients)) if recipients else None

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes beneath, outermost first."""
        return tuple(self._data.get("causes", ()))

    @property
    def late_verdict_possible(self) -> bool:
        """Whether the server's answer is still listened for, in this process."""
        return self._late is not None

    @property
    def report(self) -> str:
        """All that is known, the certificate included, in several lines."""
        return self.message if self._report is None else self._report

    @property
    def json(self) -> str:
        """All fields as JSON: schema "everpost.error/1"."""
        return _json.dumps(dict(self._data))

    def to_dict(self) -> dict[str, Any]:
        """All fields as a dictionary."""
        return dict(self._data)

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), dict(self._data), self._report, self._receipt)


class ConfigError(Error, ValueError):
    """The configuration cannot work."""

    _kind = "invalid_config"


class MessageError(Error, ValueError):
    """The message or its envelope cannot be sent as it is."""

    _kind = "invalid_message"


class ConnectError(Error, ConnectionError, smtplib.SMTPServerDisconnected):
    """No connection, or it was lost before the message was handed over."""

    _kind = "connect"


class DnsError(ConnectError):
    """The server's name does not resolve."""

    _kind = "dns"


class TimeoutError(Error, builtins.TimeoutError, smtplib.SMTPServerDisconnected):  # noqa: A001
    """A deadline passed before the message was handed over."""

    _kind = "timeout"


class TlsError(Error, ssl.SSLError, smtplib.SMTPException):
    """TLS failed for a reason other than the certificate."""

    _kind = "tls"

    library = "everpost"
    reason = "TLS"


class CertificateError(TlsError, ssl.SSLCertVerificationError):
    """The server's certificate was not accepted.

    :attr:`certificate` says what is wrong with it, and has the chain.
    """

    _kind = "certificate"

    reason = "CERTIFICATE_VERIFY_FAILED"

    verify_code: int
    verify_message: str

    def _fill(self) -> None:
        super()._fill()
        findings = () if self.certificate is None else self.certificate.findings
        codes = (_X509_CODES[one.id] for one in findings if one.id in _X509_CODES)
        # X509_V_ERR_UNSPECIFIED where OpenSSL has no number for it.
        self.verify_code = next(codes, 1)
        self.verify_message = self.message


_X509_CODES: Mapping[str, int] = MappingProxyType(
    {
        "expired": 10,
        "not-yet-valid": 9,
        "self-signed": 18,
        "unknown-issuer": 20,
        "missing-intermediate": 21,
        "revoked": 23,
        "wrong-purpose": 26,
        "name-mismatch": 62,
    }
)
"""The numbers of OpenSSL's verdicts, for readers of ``verify_code``."""


class _ResponseError(Error):
    """What the kin of ``smtplib.SMTPResponseException`` have in common."""

    smtp_code: int
    smtp_error: Any

    def _fill(self) -> None:
        super()._fill()
        reply = self.reply
        # As smtplib has it where there was no reply.
        self.smtp_code = -1 if reply is None else reply.code
        text = self.message if reply is None else reply.text
        self.smtp_error = text.encode()
        self.args: Any = (self.smtp_code, self.smtp_error)


class AuthenticationError(_ResponseError, smtplib.SMTPAuthenticationError):
    """The credentials were refused, or no mechanism fits."""

    _kind = "auth"


class RejectedError(_ResponseError, smtplib.SMTPResponseException):
    """The server refused with a 4yz or 5yz reply."""

    _kind = "rejected"


class SenderRefusedError(RejectedError, smtplib.SMTPSenderRefused):
    """The server refused the sender.

    Attributes:
        sender: The sender.

    """

    sender: str

    def _fill(self) -> None:
        super()._fill()
        self.sender = self._data.get("sender") or ""
        self.args = (self.smtp_code, self.smtp_error, self.sender)


class RecipientsRefusedError(RejectedError, smtplib.SMTPRecipientsRefused):
    """The server refused every recipient, or one where all were required.

    Attributes:
        recipients: The reply to each that was refused, as code and text.

    """

    recipients: dict[str, tuple[int, bytes]]

    def _fill(self) -> None:
        super()._fill()
        self.recipients = {
            one.address: (one.reply.code, one.reply.text.encode()) for one in self.rejected
        }
        self.args = (self.recipients,)


class DataRefusedError(RejectedError, smtplib.SMTPDataError):
    """The server refused the message itself."""


class UnsupportedError(Error, smtplib.SMTPNotSupportedError):
    """The message needs an extension that the server does not offer."""

    _kind = "unsupported"


class ProtocolError(Error, smtplib.SMTPServerDisconnected):
    """The server broke the protocol."""

    _kind = "protocol"


class DeliveryUnknownError(Error, smtplib.SMTPServerDisconnected):
    """The message may or may not have been delivered.

    Sending it again may make a duplicate, not sending it may lose it; the
    caller decides. ``Mailer.late_verdict`` may still tell.
    """

    _kind = "delivery_unknown"


class CancelledError(Error):
    """The caller cancelled.

    Attributes:
        receipt: Of a send that was cancelled too late, the server having
            accepted the message: its receipt. Then :attr:`delivery` is
            "accepted". Otherwise None.

    """

    _kind = "cancelled"

    @property
    def receipt(self) -> Receipt | None:
        """The receipt, if the server had accepted the message all the same."""
        return self._receipt

    @classmethod
    def _accepted(cls, receipt: Receipt) -> CancelledError:
        """The send had succeeded by the time it was cancelled."""
        error = cls(
            "cancelled: the message had been accepted by then",
            data={
                "stage": "end_of_data",
                "delivery": "accepted",
                "message_id": receipt.message_id,
                "attempts": receipt.attempts,
            },
        )
        error._receipt = receipt
        return error


class ClosedError(Error, smtplib.SMTPServerDisconnected):
    """The mailer is closed."""

    _kind = "closed"


class InternalError(Error, RuntimeError):
    """A defect of the library: please report it with its log."""

    _kind = "internal"


def outcome(interruption: BaseException) -> Error | None:
    """Say what is known of a message whose sending was interrupted.

    Args:
        interruption: What came out of the send: a KeyboardInterrupt, the
            CancelledError of a task, or the TimeoutError of ``asyncio.timeout``.

    Returns:
        An error whose ``delivery`` is "not_sent", "unknown" or "accepted";
        None if nothing was under way.

    """
    seen: BaseException | None = interruption
    while seen is not None and not isinstance(seen, Error):
        # Python 3.10 puts another CancelledError before the one of the task.
        seen = seen.__cause__ or seen.__context__
    return seen


# Here, as they need the names above.
from everpost._message import Envelope  # noqa: E402
from everpost.reports import CertificateReport  # noqa: E402

_CLASSES: Mapping[str, type[Error]] = MappingProxyType(
    {
        one._kind: one
        for one in (
            ConfigError,
            MessageError,
            ConnectError,
            DnsError,
            TimeoutError,
            TlsError,
            CertificateError,
            AuthenticationError,
            RejectedError,
            UnsupportedError,
            ProtocolError,
            DeliveryUnknownError,
            CancelledError,
            ClosedError,
            InternalError,
        )
    }
)

_REJECTED_AT: Mapping[str, type[Error]] = MappingProxyType(
    {
        "mail": SenderRefusedError,
        "rcpt": RecipientsRefusedError,
        "data": DataRefusedError,
        "body": DataRefusedError,
        "end_of_data": DataRefusedError,
    }
)


def _class_of(data: Mapping[str, Any]) -> type[Error]:
    kind = data["kind"]
    if kind == "rejected":
        refused = _REJECTED_AT.get(data["stage"], RejectedError)
        # Without a single refusal there is nothing to fill the dictionary with.
        if refused is not RecipientsRefusedError or data["rejected"]:
            return refused
    return _CLASSES.get(kind, InternalError if kind == "internal" else Error)


def _from_data(data: Mapping[str, Any], report: str | None = None) -> Error:
    return _class_of(data)(data=data, report=report)


def _from_native(text: str, report: str, late: LateVerdict | None) -> Error:
    error = _from_data(_json.loads(text), report)
    error._late = late
    return error


def _interrupted(result: object) -> BaseException | None:
    """What is known of work that was cancelled, given what it came to."""
    if isinstance(result, BaseException):
        return result
    return CancelledError._accepted(result) if isinstance(result, _native.Receipt) else None


def _restore(
    class_: type[Error],
    data: Mapping[str, Any],
    report: str | None,
    receipt: Receipt | None,
) -> Error:
    error = class_(data=data, report=report)
    error._receipt = receipt
    return error
