from __future__ import annotations

import builtins
import copy
import pickle
import re
import smtplib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import everpost
import pytest
from everpost import Mailer, errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from everpost.rehearsal import Rehearsal

KIN: dict[type[everpost.Error], tuple[type[BaseException], ...]] = {
    everpost.ConfigError: (ValueError,),
    everpost.MessageError: (ValueError,),
    everpost.ConnectError: (ConnectionError, OSError, smtplib.SMTPException),
    everpost.DnsError: (everpost.ConnectError, ConnectionError),
    everpost.TimeoutError: (builtins.TimeoutError, smtplib.SMTPException),
    everpost.TlsError: (ssl.SSLError, smtplib.SMTPException),
    everpost.CertificateError: (ssl.SSLCertVerificationError, everpost.TlsError, ValueError),
    everpost.AuthenticationError: (smtplib.SMTPAuthenticationError,),
    everpost.RejectedError: (smtplib.SMTPResponseException,),
    everpost.SenderRefusedError: (smtplib.SMTPSenderRefused, everpost.RejectedError),
    everpost.RecipientsRefusedError: (smtplib.SMTPRecipientsRefused, everpost.RejectedError),
    everpost.DataRefusedError: (smtplib.SMTPDataError, everpost.RejectedError),
    everpost.UnsupportedError: (smtplib.SMTPNotSupportedError,),
    everpost.ProtocolError: (smtplib.SMTPServerDisconnected,),
    everpost.DeliveryUnknownError: (smtplib.SMTPServerDisconnected,),
    everpost.CancelledError: (),
    everpost.ClosedError: (smtplib.SMTPServerDisconnected,),
    everpost.InternalError: (RuntimeError,),
}


def test_every_exception_is_one_of_ours_and_of_its_kin() -> None:
    exported = {getattr(errors, name) for name in errors.__all__}
    exported -= {everpost.Error, everpost.outcome}
    assert set(KIN) == exported
    for exception, kin in KIN.items():
        every: tuple[type[BaseException], ...] = (everpost.Error, *kin)
        for one in every:
            with pytest.raises(one, match="what happened"):
                raise exception("what happened", report="all of it")


def test_the_exceptions_are_those_of_the_table_of_errors() -> None:
    table = (Path(__file__).parents[2] / "docs/errors.md").read_text("utf-8")
    kinds = set(re.findall(r"^\| `(\w+)` \| `EVERPOST_", table, re.MULTILINE))
    assert kinds == set(errors._CLASSES)
    for kind, exception in errors._CLASSES.items():
        assert exception().kind == kind


def test_the_table_by_language_names_the_class_and_a_base_that_it_has() -> None:
    table = (Path(__file__).parents[2] / "docs/errors.md").read_text("utf-8")
    row = re.compile(r"^\| `(\w+)` \| [^|]+ \| `(\w+)`([^|]*) \| `\w+` \|$", re.MULTILINE)
    rows = row.findall(table)
    assert {kind for kind, _, _ in rows} == set(errors._CLASSES)
    for kind, name, note in rows:
        exception = errors._CLASSES[kind]
        assert name == exception.__name__
        if base := re.fullmatch(r" \(`(?:\w+\.)?(\w+)`\)", note):
            assert base[1] in {one.__name__ for one in exception.__mro__[1:]}
        else:
            assert note in ("", " (the built-in one)")


@pytest.mark.parametrize("exception", KIN, ids=lambda it: it.__name__)
def test_exceptions_pass_between_processes_with_every_field(
    exception: type[everpost.Error],
) -> None:
    data = {"delivery": "unknown", "attempts": 2, "message_id": "<m>", "retryable": True}
    error = exception("what happened", data=data, report="all of it")
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is exception
        assert str(other) == str(error) == "what happened"
        assert other.args == error.args
        assert (other.delivery, other.attempts, other.retryable) == ("unknown", 2, True)
        assert (other.message_id, other.report) == ("<m>", "all of it")
        assert other.to_dict() == error.to_dict()
    assert exception.__name__ in repr(error)


def refuse(server: Rehearsal, at: str, reply: str) -> None:
    server.inject(at, {"reply": reply + "\r\n"}, on="any")


def test_refusals_have_what_readers_of_smtplib_look_at(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    with Mailer(server.url) as mailer:
        refuse(server, "mail", "550 5.7.1 not you")
        with pytest.raises(smtplib.SMTPSenderRefused) as sender:
            mailer.send(letter("m"))
        assert (sender.value.smtp_code, sender.value.smtp_error) == (550, b"5.7.1 not you")
        assert sender.value.sender == "a@example.org"

        refusal = {"pattern": "no@*", "reply": "551 5.1.1 nobody"}
        server.request({"do": "settings", "set": {"refuse_recipients": [refusal]}})
        with pytest.raises(smtplib.SMTPRecipientsRefused) as recipients:
            mailer.send(letter("m", to="no@example.com"))
        assert recipients.value.recipients == {"no@example.com": (551, b"5.1.1 nobody")}

        refuse(server, "end_of_data", "554 5.6.0 spam")
        with pytest.raises(smtplib.SMTPDataError) as data:
            mailer.send(letter("m"))
        assert data.value.smtp_code == 554
        ours = data.value
        assert isinstance(ours, everpost.RejectedError)
        assert (ours.kind, ours.stage, ours.delivery) == ("rejected", "end_of_data", "refused")
        assert ours.reply is not None
        assert ours.reply.lines == ("5.6.0 spam",)
        assert ours.envelope == everpost.Envelope("a@example.org", "b@example.com")
        assert ours.hint
    wrong = server.url.replace("canary-password", "canary-wrong")
    with Mailer(wrong) as mailer, pytest.raises(smtplib.SMTPAuthenticationError) as login:
        mailer.send(letter("m"))
    assert login.value.smtp_code == 535


def test_a_bad_certificate_is_told_with_its_verdict_and_chain(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    codes = {"expired": 10, "not_yet_valid": 9, "wrong_name": 62, "untrusted_ca": 20}
    for chain, code in codes.items():
        server.present(chain)
        with Mailer(server.url) as mailer, pytest.raises(ssl.SSLCertVerificationError) as caught:
            mailer.send(letter("m"))
        error = caught.value
        assert error.verify_code == code, chain
        assert isinstance(error, everpost.CertificateError)
        report = error.certificate
        assert report is not None
        assert report.status == "unhealthy"
        assert report.leaf is not None
        assert report.leaf.not_after > report.leaf.not_before
        assert report.findings[0].remedy
        assert "canary" not in error.report


def test_a_lost_connection_after_the_dot_is_unknown(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    with Mailer(server.url) as mailer:
        server.inject("end_of_data", {"cut": "rst"}, keep=True)
        with pytest.raises(everpost.DeliveryUnknownError) as caught:
            mailer.send(letter("m"))
        assert caught.value.delivery == "unknown"
        assert caught.value.message_id == "<m>"
        assert not caught.value.late_verdict_possible
        assert mailer.late_verdict(caught.value) is None
    assert server.counts() == {"m": 1}


def test_what_cannot_be_reached_is_a_connection_error(letter: Callable[..., bytes]) -> None:
    with (
        Mailer(host="127.0.0.1", port=1, max_attempts=1) as mailer,
        pytest.raises(ConnectionError) as caught,
    ):
        mailer.send(letter("m"))
    assert isinstance(caught.value, everpost.ConnectError)
    assert caught.value.retryable
    with (
        Mailer(host="nowhere.invalid", max_attempts=1) as mailer,
        pytest.raises(everpost.DnsError),
    ):
        mailer.send(letter("m"))


def test_no_error_and_no_repr_has_a_secret_in_it() -> None:
    wrong: list[dict[str, Any]] = [
        {"url": "smtps://app:canary-password@"},
        {"url": "smtps://app:canary-password@host:99999"},
        {"url": "smtps://app:canary-password@host?nonsense=canary"},
        {"host": "h", "username": "app", "password": "canary-password", "tls": "canary"},
        {"host": "h", "password": "canary-password"},
        {"host": "h", "username": "app", "identity": (b"canary", b"canary-key")},
    ]
    for options in wrong:
        with pytest.raises(everpost.ConfigError) as caught:
            Mailer(options.pop("url", None), **options)
        assert "canary" not in f"{caught.value!r} {caught.value.report} {caught.value.json}"
    mailer = Mailer("smtps://app:canary-password@mail.example.org")
    assert repr(mailer) == "<Mailer mail.example.org:465/implicit>"
    with pytest.raises(TypeError, match="each process"):
        pickle.dumps(mailer)
