"""The standard library's :mod:`smtplib`, over pooled and rotation-safe connections.

Put ``from everpost import smtplib`` where ``import smtplib`` stands: ``SMTP``
and ``SMTP_SSL`` have the methods, results and exceptions of the originals, and
are subclasses of them. What is different:

- ``connect()``, ``starttls()`` and ``login()`` ask the server the first time in
  a process, and again when it has not been well. Otherwise they cost nothing,
  and messages travel over connections that are shared by all objects with the
  same settings: code that connects for each mail gets the speed of a pool.
- Certificates are verified, also where no ``context`` is given. ``options``
  takes everything that :class:`everpost.Mailer` takes, such as ``trust``.
- ``login()`` without TLS needs ``options={"allow_plaintext_auth": True}``.
- A message that was handed over and never answered raises
  :class:`everpost.DeliveryUnknownError`, which is an ``SMTPServerDisconnected``.
- There is no single conversation, so ``docmd()`` and its like raise
  ``SMTPNotSupportedError``.
"""

from __future__ import annotations

import smtplib as _std
import socket
import sys
from smtplib import (
    CRLF,
    LMTP,
    LMTP_PORT,
    SMTP_PORT,
    SMTP_SSL_PORT,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    bCRLF,
    quoteaddr,
    quotedata,
)
from typing import TYPE_CHECKING, Any, Final

from everpost import _shared
from everpost._context import tls_options
from everpost._message import Envelope
from everpost._smtp import DEFAULT_TIMEOUT, NoConversation, address, deadlines, origin, wishes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from typing_extensions import Buffer, Self

    from everpost._context import AnyPath
    from everpost._options import Options
    from everpost.mailer import Mailer

__all__ = [
    "CRLF",
    "LMTP",
    "LMTP_PORT",
    "SMTP",
    "SMTP_PORT",
    "SMTP_SSL",
    "SMTP_SSL_PORT",
    "SMTPAuthenticationError",
    "SMTPConnectError",
    "SMTPDataError",
    "SMTPException",
    "SMTPHeloError",
    "SMTPNotSupportedError",
    "SMTPRecipientsRefused",
    "SMTPResponseException",
    "SMTPSenderRefused",
    "SMTPServerDisconnected",
    "bCRLF",
    "quoteaddr",
    "quotedata",
]

_PLACE: Final = frozenset({"host", "port", "tls", "url"})
_LOGIN: Final = frozenset({"username", "password", "token"})


class _Connected:
    """Stands where a socket would: the connections are the pool's."""

    def __repr__(self) -> str:
        return "<a pool of connections>"


class SMTP(NoConversation):
    """A client of an SMTP server, as :class:`smtplib.SMTP`.

    Args:
        host: The server. If given, :meth:`connect` is called.
        port: The port: 25 unless set.
        local_hostname: The name given with EHLO.
        timeout: How many seconds each step may take. The verdict on a message
            is one of them: give it time, or set ``end_of_data_timeout`` in
            ``options``.
        source_address: The local address to connect from; its port must be 0.
        options: More of what :class:`everpost.Mailer` takes. They win.

    """

    sock: Any
    _mode = "none"

    def __init__(
        self,
        host: str = "",
        port: int = 0,
        local_hostname: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        source_address: tuple[Any, ...] | str | Buffer | None = None,
        *,
        options: Options | Mapping[str, Any] | None = None,
    ) -> None:
        # Not super().__init__(): it looks this machine's name up each time.
        self._options: dict[str, Any] = dict(options or {})
        forbidden = _PLACE & self._options.keys()
        if forbidden:
            raise TypeError(f"{min(forbidden)} is not one of the options: the class has it")
        self._host = host
        self._port = port
        self._local_hostname = local_hostname
        self._tls: dict[str, Any] = {}
        self._login: dict[str, Any] = {}
        self.timeout = timeout  # type: ignore[assignment]
        self.source_address = source_address
        self.esmtp_features = {}
        self.command_encoding = "ascii"
        if host:
            self.connect(host, port)

    @property
    def local_hostname(self) -> str:
        """The name given with EHLO."""
        return self._local_hostname or socket.getfqdn()

    @local_hostname.setter
    def local_hostname(self, name: str) -> None:
        self._local_hostname = name

    # --- the session --------------------------------------------------------

    def connect(
        self,
        host: str = "localhost",
        port: int = 0,
        source_address: tuple[Any, ...] | str | Buffer | None = None,
    ) -> tuple[int, bytes]:
        """Make sure that the server can be reached.

        Raises:
            ConnectError: It cannot.

        """
        if source_address:
            self.source_address = source_address
        if not port and host.count(":") == 1:
            host, _, number = host.partition(":")
            try:
                port = int(number)
            except ValueError:
                raise OSError("nonnumeric port") from None
        port = port or self.default_port
        sys.audit("smtplib.connect", self, host, port)
        self._debug("connect: to", (host, port), self.source_address)
        self._host, self._port = host, port
        self._forget()
        self._mode, self._login = type(self)._mode, {}
        name = self._offered()["domain"].encode()
        self.sock = _Connected()
        return 220, name

    def ehlo(self, name: str = "") -> tuple[int, bytes]:
        """Ask what the server offers, and fill ``esmtp_features``."""
        self._require()
        if name:
            self._local_hostname = name
        word = self._offered()
        self.esmtp_features = {}
        lines = [word["domain"]]
        for one in word["extensions"]:
            keyword, parameters = one["keyword"].lower(), one["parameters"]
            lines.append(f"{keyword.upper()} {parameters}".rstrip())
            if keyword == "auth":
                parameters = f"{self.esmtp_features.get('auth', '')} {parameters}"
            self.esmtp_features[keyword] = parameters
        self.does_esmtp = bool(word["extensions"])
        self.ehlo_resp = "\n".join(lines).encode("latin-1", "replace")
        self._debug("reply:", self.ehlo_resp)
        return 250, self.ehlo_resp

    def helo(self, name: str = "") -> tuple[int, bytes]:
        """Say who we are, without asking what the server offers."""
        self._require()
        if name:
            self._local_hostname = name
        self.helo_resp = self._offered()["domain"].encode()
        return 250, self.helo_resp

    def ehlo_or_helo_if_needed(self) -> None:
        """Call :meth:`ehlo` unless that or :meth:`helo` was."""
        if self.helo_resp is None and self.ehlo_resp is None:
            self.ehlo()

    def starttls(
        self,
        keyfile: AnyPath | None = None,
        certfile: AnyPath | None = None,
        context: ssl.SSLContext | None = None,
    ) -> tuple[int, bytes]:
        """Use TLS from now on.

        Args:
            keyfile: The key of a certificate to show.
            certfile: That certificate.
            context: Whom to trust. The system's roots without it.

        Raises:
            SMTPNotSupportedError: The server does not offer STARTTLS.
            CertificateError: Its certificate is not accepted.
            ConfigError: The context asks for what cannot be done.

        """
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("starttls"):
            raise SMTPNotSupportedError("STARTTLS extension not supported by server.")
        self._tls = tls_options(context, keyfile, certfile)
        self._mode = "required"
        self._forget()
        self._debug("starttls")
        try:
            self._offered()
        except Exception:
            self.close()
            raise
        return 220, b"Ready to start TLS"

    def login(
        self, user: str, password: str, *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Log in by the strongest mechanism that the server offers.

        Raises:
            SMTPNotSupportedError: The server offers no login.
            AuthenticationError: User or password are wrong.

        """
        del initial_response_ok
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("auth"):
            raise SMTPNotSupportedError("SMTP AUTH extension not supported by server.")
        self.user, self.password = user, password
        self._debug("login:", user)
        before, self._login = self._login, {"username": user, "password": password}
        try:
            self._offered()
        except Exception:
            self._login = before
            raise
        return 235, b"Authentication successful"

    def noop(self) -> tuple[int, bytes]:
        """Make sure that mail can be sent."""
        self._require()
        self._offered()
        return 250, b"OK"

    def rset(self) -> tuple[int, bytes]:
        """Do nothing: no message is under way between calls."""
        self._require()
        return 250, b"OK"

    def verify(self, address: str) -> tuple[int, bytes]:
        """Do not ask: servers that know do not tell, to foil spammers."""
        self._require()
        del address
        return 252, b"Cannot VRFY user, but will accept message and attempt delivery"

    vrfy = verify

    def quit(self) -> tuple[int, bytes]:
        """Leave. The connections stay with the pool."""
        self._require()
        self._debug("quit")
        self._forget()
        self.close()
        return 221, b"Bye"

    def close(self) -> None:
        """Leave."""
        self.sock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- messages -----------------------------------------------------------

    def sendmail(
        self,
        from_addr: str,
        to_addrs: str | Sequence[str],
        msg: Buffer | str,
        mail_options: Sequence[str] = (),
        rcpt_options: Sequence[str] = (),
    ) -> dict[str, tuple[int, bytes]]:
        """Send a message.

        Args:
            from_addr: The sender; empty for none.
            to_addrs: The recipients.
            msg: The message: bytes, or text in ASCII.
            mail_options: BODY=, SIZE=, SMTPUTF8, REQUIRETLS, RET= and ENVID=.
            rcpt_options: NOTIFY=.

        Returns:
            The recipients that were refused, with code and text of the reply.
            The others have the message.

        Raises:
            SMTPRecipientsRefused: All were refused: nobody has the message.
            SMTPSenderRefused: The sender was.
            SMTPDataError: The message was.
            everpost.DeliveryUnknownError: The recipients may have it.

        """
        self.ehlo_or_helo_if_needed()
        data = msg.encode("ascii") if isinstance(msg, str) else bytes(msg)
        asked = [to_addrs] if isinstance(to_addrs, str) else list(to_addrs)
        if not asked:
            raise SMTPRecipientsRefused({})
        names = {address(one): one for one in asked}
        envelope = Envelope(address(from_addr) or None, names, **wishes(mail_options, rcpt_options))
        self._debug("sendmail:", envelope.sender, envelope.recipients, f"{len(data)} bytes")
        try:
            receipt = self._mailer().send(data, envelope=envelope)
        except SMTPRecipientsRefused as error:
            error.recipients = {
                names.get(name, name): why for name, why in error.recipients.items()
            }
            self._debug("reply:", error)
            raise
        except Exception as error:
            self._debug("reply:", error)
            raise
        self._debug("reply:", receipt)
        return {
            names.get(one.address, one.address): (one.reply.code, one.reply.text.encode())
            for one in receipt.rejected
        }

    # --- inside -------------------------------------------------------------

    def _require(self) -> None:
        if self.sock is None:
            raise SMTPServerDisconnected("please run connect() first")

    def _forget(self) -> None:
        """What was known of another session no longer is."""
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def _offered(self) -> dict[str, Any]:
        return _shared.offered(self._mailer())

    def _mailer(self) -> Mailer:
        """The mailer of this process for what is set by now."""
        settings: dict[str, Any] = {
            "host": self._host,
            "port": self._port,
            "tls": self._mode,
            **deadlines(self.timeout),
            **origin(self.source_address),
        }
        if self._local_hostname:
            settings["ehlo"] = self._local_hostname
        if self._mode != "none":
            settings.update(self._tls)
        # Before TLS nothing is said that is secret, unless it was asked for.
        plain = self._mode == "none" and not self._options.get("allow_plaintext_auth")
        settings.update(
            (name, value) for name, value in self._options.items() if not (plain and name in _LOGIN)
        )
        return _shared.mailer({**settings, **self._login})

    def _debug(self, *words: object) -> None:
        if self.debuglevel > 0:
            self._print_debug(*words)  # type: ignore[attr-defined]


class SMTP_SSL(SMTP, _std.SMTP_SSL):  # noqa: N801
    """A client that speaks TLS from the first byte, as :class:`smtplib.SMTP_SSL`.

    Args:
        host: The server. If given, :meth:`connect` is called.
        port: The port: 465 unless set.
        local_hostname: The name given with EHLO.
        keyfile: The key of a certificate to show.
        certfile: That certificate.
        timeout: As with :class:`SMTP`.
        source_address: As with :class:`SMTP`.
        context: Whom to trust. The system's roots without it.
        options: As with :class:`SMTP`.

    """

    default_port = SMTP_SSL_PORT
    _mode = "implicit"

    def __init__(
        self,
        host: str = "",
        port: int = 0,
        local_hostname: str | None = None,
        keyfile: AnyPath | None = None,
        certfile: AnyPath | None = None,
        timeout: float | None = DEFAULT_TIMEOUT,
        source_address: tuple[Any, ...] | str | Buffer | None = None,
        context: ssl.SSLContext | None = None,
        *,
        options: Options | Mapping[str, Any] | None = None,
    ) -> None:
        tls = tls_options(context, keyfile, certfile)
        super().__init__("", port, local_hostname, timeout, source_address, options=options)
        self._tls = tls
        self._host = host
        if host:
            self.connect(host, port)
