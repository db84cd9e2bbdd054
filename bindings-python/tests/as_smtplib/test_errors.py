"""Errors of ``everpost.smtplib``, and what it cannot do."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

import everpost
import pytest
from everpost import smtplib

if TYPE_CHECKING:
    from collections.abc import Callable

    from everpost.rehearsal import Rehearsal

LETTER = b"From: app@example.org\r\nTo: ann@example.com\r\nSubject: hello\r\n\r\nHello.\r\n"


def test_nobody_there_is_told_when_connecting() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionError):
            smtplib.SMTP("127.0.0.1", reserved.getsockname()[1])


def test_a_server_that_was_well_and_is_not_is_asked_again(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    smtp = log_in(server, trust)
    server.present("expired")
    server.request({"do": "drop", "how": "fin"})
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    assert caught.value.delivery == "not_sent"
    with pytest.raises(ssl.SSLError):
        log_in(server, trust)
    server.request({"do": "rollback"})
    log_in(server, trust).sendmail("app@example.org", "ann@example.com", LETTER)


def test_a_wrong_password_is_told_at_the_login(server: Rehearsal, trust: dict[str, Any]) -> None:
    smtp = smtplib.SMTP(server.host, server.starttls_port, options=trust)
    smtp.starttls()
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        smtp.login("app", "wrong")
    assert caught.value.smtp_code == 535
    # Of a login that failed nothing stays: this server wants none.
    smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    smtp.login("app", "secret")


def test_where_starttls_failed_nothing_is_sent(server: Rehearsal) -> None:
    smtp = smtplib.SMTP(server.host, server.starttls_port)
    with pytest.raises(ssl.SSLCertVerificationError):
        smtp.starttls()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    assert server.received() == []


def test_a_new_connection_begins_without_tls_and_login(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    smtp = log_in(server, trust)
    smtp.quit()
    smtp.connect(server.host, server.starttls_port)
    smtp.ehlo()
    assert smtp.has_extn("starttls")


def test_what_is_not_offered_is_told_as_the_original_tells(
    make_rehearsal: Callable[..., Rehearsal],
) -> None:
    server = make_rehearsal(settings={"capabilities": {"starttls": False}})
    smtp = smtplib.SMTP(server.host, server.starttls_port)
    with pytest.raises(smtplib.SMTPNotSupportedError, match="STARTTLS extension not supported"):
        smtp.starttls()
    with pytest.raises(smtplib.SMTPNotSupportedError, match="AUTH extension not supported"):
        smtp.login("app", "secret")


def test_no_password_goes_over_the_wire_in_the_clear_unasked(server: Rehearsal) -> None:
    smtp = smtplib.SMTP(server.host, server.plain_port)
    with pytest.raises(everpost.ConfigError, match="allow_plaintext_auth"):
        smtp.login("app", "secret")
    smtp = smtplib.SMTP(server.host, server.plain_port, options={"allow_plaintext_auth": True})
    smtp.login("app", "secret")
    smtp.sendmail("app@example.org", "ann@example.com", LETTER)


def test_refusals_are_those_of_the_original(
    server: Rehearsal,
    trust: dict[str, Any],
    log_in: Callable[..., smtplib.SMTP],
    refuse: Callable[..., None],
) -> None:
    refuse(server, recipients="bad*", senders="evil*")
    with log_in(server, trust) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
            smtp.sendmail("app@example.org", ["Bad <bad@example.com>", "bad2@example.com"], LETTER)
        assert set(caught.value.recipients) == {"Bad <bad@example.com>", "bad2@example.com"}
        assert caught.value.recipients["bad2@example.com"][0] == 550
        with pytest.raises(smtplib.SMTPSenderRefused) as caught:
            smtp.sendmail("evil@example.org", "ann@example.com", LETTER)
        assert caught.value.sender == "evil@example.org"
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("app@example.org", [], LETTER)
        server.inject("end_of_data", {"reply": "554 5.6.0 we do not like it\r\n"}, on="any")
        with pytest.raises(smtplib.SMTPDataError) as caught:
            smtp.sendmail("app@example.org", "ann@example.com", LETTER)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (
            554,
            b"5.6.0 we do not like it",
        )
        refused = smtp.sendmail("app@example.org", ["ann@example.com", "bad@example.com"], LETTER)
    assert refused["bad@example.com"][0] == 550
    assert isinstance(refused["bad@example.com"][1], bytes)


def test_an_answer_that_never_comes_is_caught_by_existing_handlers(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    with log_in(server, trust) as smtp:
        server.inject("end_of_data", {"cut": "rst"})
        with pytest.raises(smtplib.SMTPServerDisconnected) as caught:
            smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    assert isinstance(caught.value, everpost.DeliveryUnknownError)


def test_a_timeout_bounds_the_wait_for_the_verdict_too(server: Rehearsal) -> None:
    smtp = smtplib.SMTP(server.host, server.plain_port, timeout=0.2)
    server.inject("end_of_data", "stall")
    with pytest.raises(everpost.DeliveryUnknownError):
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    with pytest.raises(ValueError, match="timeout=0"):
        smtplib.SMTP(server.host, server.plain_port, timeout=0)


def test_after_quit_it_wants_to_be_connected_again(server: Rehearsal) -> None:
    smtp = smtplib.SMTP(server.host, server.plain_port)
    smtp.quit()
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    with pytest.raises(smtplib.SMTPServerDisconnected):
        smtp.noop()
    assert smtp.connect(f"{server.host}:{server.plain_port}")[0] == 220
    smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    with pytest.raises(OSError, match="nonnumeric port"):
        smtp.connect("localhost:smtp")


@pytest.mark.parametrize(
    "ask",
    [
        lambda smtp: smtp.docmd("VRFY", "ann"),
        lambda smtp: smtp.putcmd("NOOP"),
        lambda smtp: smtp.getreply(),
        lambda smtp: smtp.mail("app@example.org"),
        lambda smtp: smtp.rcpt("ann@example.com"),
        lambda smtp: smtp.data(b""),
        lambda smtp: smtp.expn("list"),
        lambda smtp: smtp.help(),
        lambda smtp: smtp.auth("XOAUTH2", lambda: ""),
        lambda smtp: smtp.sendmail("a@b.c", "d@e.f", b"", mail_options=["MT-PRIORITY=3"]),
        lambda smtp: smtp.sendmail("a@b.c", "d@e.f", b"", rcpt_options=["ORCPT=rfc822;x"]),
    ],
)
def test_what_cannot_be_done_is_said(
    server: Rehearsal, ask: Callable[[smtplib.SMTP], object]
) -> None:
    smtp = smtplib.SMTP(server.host, server.plain_port)
    with pytest.raises(smtplib.SMTPNotSupportedError):
        ask(smtp)


def test_parameters_of_the_envelope_are_passed_on(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    with log_in(server, trust) as smtp:
        smtp.sendmail(
            "",
            "ann@example.com",
            LETTER,
            mail_options=["BODY=8BITMIME", "RET=HDRS", "ENVID=a+2Bb", "size=10"],
            rcpt_options=["NOTIFY=SUCCESS,FAILURE"],
        )
    commands = [
        one
        for log in server.request({"do": "connections"})["connections"]
        for one in log["commands"]
    ]
    mail = next(one for one in commands if one.startswith("MAIL") and "ENVID" in one)
    assert mail.startswith("MAIL FROM:<>")
    assert "RET=HDRS" in mail
    assert "ENVID=a+2Bb" in mail
    assert any("NOTIFY=SUCCESS,FAILURE" in one for one in commands)
