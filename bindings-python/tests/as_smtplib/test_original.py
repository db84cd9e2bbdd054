"""``everpost.smtplib`` gives what the original gives."""

from __future__ import annotations

import ast
import doctest
import inspect
import io
import logging
import logging.handlers
import smtplib as std
import ssl
import sys
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from everpost import smtplib

if TYPE_CHECKING:
    from collections.abc import Callable

    from everpost.rehearsal import Rehearsal

LETTER = b"From: app@example.org\r\nTo: ann@example.com\r\nSubject: hello\r\n\r\nHello.\r\n"


@pytest.mark.parametrize("name", ["SMTP", "SMTP_SSL"])
def test_classes_are_those_of_the_standard_library_to_whoever_asks(name: str) -> None:
    ours, theirs = getattr(smtplib, name), getattr(std, name)
    assert issubclass(ours, theirs)
    public = {one for one in vars(std.SMTP) | vars(theirs) if not one.startswith("_")}
    assert public - set(dir(ours)) == set()


@pytest.mark.parametrize(
    "name",
    [*(one for one in std.__all__ if one != "SMTP"), "CRLF", "bCRLF", "LMTP", "LMTP_PORT"],
)
def test_everything_else_in_the_module_is_the_same_object(name: str) -> None:
    if not name.startswith("SMTP_SSL"):
        assert getattr(smtplib, name) is getattr(std, name)


@pytest.mark.parametrize("method", ["connect", "login", "sendmail", "ehlo", "helo", "verify"])
def test_methods_take_what_the_originals_take(method: str) -> None:
    ours = inspect.signature(getattr(smtplib.SMTP, method))
    theirs = inspect.signature(getattr(std.SMTP, method))
    assert list(ours.parameters) == list(theirs.parameters)
    for name, one in theirs.parameters.items():
        assert ours.parameters[name].kind == one.kind
        assert ours.parameters[name].default == one.default


def test_a_whole_session_gives_the_results_of_the_original(server: Rehearsal) -> None:
    context = ssl.create_default_context(cafile=server.ca_file)
    # The default from Python 3.13 on.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    ours = smtplib.SMTP(server.host, server.starttls_port)
    theirs = std.SMTP(server.host, server.starttls_port)
    for step in (
        lambda smtp: smtp.ehlo(),
        lambda smtp: smtp.starttls(context=context)[0],
        lambda smtp: smtp.ehlo(),
        lambda smtp: sorted(smtp.esmtp_features.items()),
        lambda smtp: (smtp.has_extn("size"), smtp.has_extn("STARTTLS"), smtp.does_esmtp),
        lambda smtp: smtp.login("app", "secret")[0],
        lambda smtp: smtp.sendmail("app@example.org", "ann@example.com", LETTER),
        lambda smtp: smtp.sendmail("a@example.org", ["Bo <bo@example.com>"], LETTER.decode()),
        lambda smtp: smtp.noop()[0],
        lambda smtp: smtp.rset()[0],
        lambda smtp: smtp.quit()[0],
    ):
        assert _first_line_aside(step(ours)) == _first_line_aside(step(theirs))
    one, two, three, four = sorted(server.received(), key=lambda it: it.recipients)
    assert (one.recipients, three.recipients) == (("ann@example.com",), ("bo@example.com",))
    assert one.data.endswith(b"Hello.\r\n")
    assert two.sender == one.sender == "app@example.org"
    assert three.sender == four.sender == "a@example.org"


def _first_line_aside(result: Any) -> Any:
    """How a server greets by name differs between EHLO and what was read out of it."""
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], bytes):
        return result[0], result[1].split(b"\n")[1:]
    return result


def test_the_example_of_the_original_docstring_runs(
    server: Rehearsal, refuse: Callable[..., None]
) -> None:
    refuse(server, recipients="three@three.org")
    examples = doctest.DocTestParser().get_examples(std.SMTP.sendmail.__doc__)
    assert len(examples) >= 4
    names, results = {}, []
    for example in examples:
        source = example.source.replace('smtplib.SMTP("localhost")', "localhost()")
        source = source.replace("import smtplib", "")
        tree = ast.parse(source, mode="exec")
        names["localhost"] = lambda: smtplib.SMTP(server.host, server.plain_port)
        if tree.body and isinstance(tree.body[0], ast.Expr):
            results.append(eval(source, names))
        else:
            exec(source, names)
    refused, goodbye = results
    assert list(refused) == ["three@three.org"]
    assert refused["three@three.org"][0] == 550
    assert goodbye[0] == 221
    assert len(server.received()[0].recipients) == 3


def test_the_program_at_the_end_of_the_original_module_runs(
    server: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = ast.parse(Path(std.__file__).read_text(encoding="utf-8"))
    main = tree.body[-1]
    assert isinstance(main, ast.If)
    typed = "app@example.org\nann@example.com,bob@example.com\nSubject: typed\n\nBy hand.\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    names = {
        "sys": sys,
        "print": lambda *_: None,
        "SMTP": lambda host: smtplib.SMTP(host, server.plain_port),
    }
    exec(compile(ast.Module(main.body, []), "smtplib", "exec"), names)
    (received,) = server.received()
    assert received.sender == "app@example.org"
    assert received.recipients == ("ann@example.com", "bob@example.com")
    assert received.data.startswith(b"Subject: typed\r\n")
    assert received.data.endswith(b"\r\n\r\nBy hand.\r\n")


def test_the_mail_handler_of_logging_works_with_it(
    server: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(std, "SMTP", smtplib.SMTP)
    place = (server.host, server.plain_port)
    handler = logging.handlers.SMTPHandler(place, "app@example.org", ["ann@example.com"], "Alarm")
    handler.handle(logging.makeLogRecord({"msg": "the house is on fire"}))
    assert b"the house is on fire" in server.received()[0].data


def test_a_message_object_goes_with_its_hidden_recipients(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    message = EmailMessage()
    message["From"] = "app@example.org"
    message["To"] = "Ann <ann@example.com>"
    message["Bcc"] = "secret@example.com"
    message["Subject"] = "Grüße"
    message.set_content("Schön.\n")
    with log_in(server, trust) as smtp:
        assert smtp.send_message(message) == {}
    (received,) = server.received()
    assert set(received.recipients) == {"ann@example.com", "secret@example.com"}
    assert b"secret@example.com" not in received.data


def test_an_address_beyond_ascii_goes_where_it_can(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    message = EmailMessage(policy=policy.SMTPUTF8)
    message["From"], message["To"] = "app@example.org", "ännchen@example.com"
    message.set_content("Hello.\n")
    with log_in(server, trust) as smtp:
        smtp.send_message(message)
    assert server.received()[0].recipients == ("ännchen@example.com",)
    server.request({"do": "settings", "set": {"capabilities": {"smtp_utf8": False}}})
    options = {**trust, "max_connections": 1}
    with log_in(server, options) as smtp, pytest.raises(smtplib.SMTPNotSupportedError):
        smtp.send_message(message)
