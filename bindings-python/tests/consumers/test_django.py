"""``everpost.django.EmailBackend`` in a real Django, on a real server.

Django's own tests of its backend run in django_suite.py.
"""

from __future__ import annotations

import os
import smtplib
import ssl
import subprocess
import sys
import warnings
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import everpost
import everpost.smtplib
import pytest
from django import VERSION
from django.conf import settings
from django.core import mail
from django.test import override_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from everpost.rehearsal import Rehearsal

# Of EMAIL_BACKEND and its like, which MAILERS will replace some day.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

if not settings.configured:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings.configure(EMAIL_BACKEND="everpost.django.EmailBackend", USE_TZ=True)


@pytest.fixture
def server(make_rehearsal: Callable[..., Rehearsal]) -> Iterator[Rehearsal]:
    server = make_rehearsal(credentials={"app": "secret"})
    with override_settings(
        EMAIL_HOST=server.host,
        EMAIL_PORT=server.starttls_port,
        EMAIL_HOST_USER="app",
        EMAIL_HOST_PASSWORD="secret",
        EMAIL_USE_TLS=True,
        EVERPOST={"trust": server.ca_file},
    ):
        yield server


def letter(subject: str = "Hello", to: str = "ann@example.com", **more: Any) -> mail.EmailMessage:
    return mail.EmailMessage(subject, "Hello, Ann.", "app@example.org", [to], **more)


def refuse(server: Rehearsal, pattern: str) -> None:
    refusal = {"pattern": pattern, "reply": "550 5.1.1 not here"}
    server.request({"do": "settings", "set": {"refuse_recipients": [refusal]}})


def test_two_lines_of_settings_send_mail(server: Rehearsal) -> None:
    assert mail.send_mail("Grüße", "Schön.", "app@example.org", ["ann@example.com"]) == 1
    (received,) = server.received()
    message = message_from_bytes(received.data, policy=policy.default)
    assert message["Subject"] == "Grüße"
    assert message.get_content().strip() == "Schön."
    assert received.details["tls"]
    lines = received.data.replace(b"\r\n", b"")
    assert b"\n" not in lines
    assert b"\r" not in lines


def test_mail_after_mail_goes_over_one_pool(server: Rehearsal) -> None:
    mail.send_mail("first", "", "app@example.org", ["ann@example.com"])
    before = server.stats()["connections"]
    for number in range(20):
        mail.send_mail(f"{number}", "", "app@example.org", ["ann@example.com"])
    assert server.stats()["connections"] - before <= 1


def test_mail_survives_rotations(server: Rehearsal) -> None:
    for turn in range(6):
        assert letter(f"{turn}").send() == 1
        server.rotate(restart=turn % 2 == 1)
    assert [len(server.received()), set(server.counts().values())] == [6, {1}]


def test_html_attachments_and_hidden_recipients_arrive(server: Rehearsal) -> None:
    message = mail.EmailMultiAlternatives(
        "all of it",
        "plain",
        "app@example.org",
        ["ann@example.com"],
        bcc=["hidden@example.com"],
        cc=["bob@example.com"],
    )
    message.attach_alternative("<p>rich</p>", "text/html")
    message.attach("data.bin", b"\x00\xff" * 1000, "application/octet-stream")
    assert message.send() == 1
    (received,) = server.received()
    assert set(received.recipients) == {"ann@example.com", "bob@example.com", "hidden@example.com"}
    assert b"hidden@example.com" not in received.data
    parts = message_from_bytes(received.data, policy=policy.default).walk()
    contents = {
        one.get_content_type(): one.get_content() for one in parts if not one.is_multipart()
    }
    assert contents["text/html"].strip() == "<p>rich</p>"
    assert contents["application/octet-stream"] == b"\x00\xff" * 1000


def test_it_counts_as_django_counts(server: Rehearsal) -> None:
    refuse(server, "bad*")
    connection = mail.get_connection(fail_silently=True)
    messages = [letter("1"), letter("2", "bad@example.com"), letter("3")]
    assert connection.send_messages([*messages, mail.EmailMessage("nobody", to=[])]) == 2
    assert connection.send_messages([]) == 0
    assert len(server.received()) == 2


def test_the_first_refusal_is_raised_and_ends_the_batch(server: Rehearsal) -> None:
    refuse(server, "bad*")
    messages = [letter("1"), letter("2", "bad@example.com"), letter("3")]
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        mail.get_connection().send_messages(messages)
    assert isinstance(caught.value, everpost.RejectedError)
    assert len(server.received()) == 1


def test_an_open_connection_is_kept_until_it_is_closed(server: Rehearsal) -> None:
    connection = mail.get_connection()
    assert connection.open() is True
    assert connection.open() is False
    assert isinstance(connection.connection, everpost.smtplib.SMTP)
    assert connection.send_messages([letter()]) == 1
    connection.close()
    assert connection.connection is None
    with mail.get_connection() as connection:
        letter(connection=connection).send()
    assert len(server.received()) == 2


def test_a_bad_certificate_is_raised_or_silenced(server: Rehearsal) -> None:
    server.present("expired")
    with override_settings(EVERPOST={"trust": server.ca_file, "max_connections": 1}):
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            letter().send()
        assert caught.value.certificate.status == "unhealthy"
        assert letter().send(fail_silently=True) == 0


@pytest.mark.usefixtures("server")
def test_a_wrong_password_is_raised_or_silenced() -> None:
    with override_settings(EMAIL_HOST_PASSWORD="wrong"):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            letter().send()
        assert letter().send(fail_silently=True) == 0


def test_implicit_tls_and_a_timeout_are_settings(server: Rehearsal) -> None:
    with override_settings(
        EMAIL_PORT=server.port, EMAIL_USE_TLS=False, EMAIL_USE_SSL=True, EMAIL_TIMEOUT=5
    ):
        assert letter().send() == 1
    assert server.received()[0].details["tls"]


def test_a_certificate_to_show_is_a_setting(
    make_rehearsal: Callable[..., Rehearsal], tmp_path: Path
) -> None:
    server = make_rehearsal(client_auth="required")
    made = server.request({"do": "client_certificate", "name": "app"})
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(made["chain_pem"])
    key.write_text(made["key_pem"])
    with override_settings(
        EMAIL_HOST=server.host,
        EMAIL_PORT=server.port,
        EMAIL_USE_SSL=True,
        EMAIL_SSL_CERTFILE=str(chain),
        EMAIL_SSL_KEYFILE=str(key),
        EVERPOST={"trust": server.ca_file},
    ):
        assert letter().send() == 1


@pytest.mark.usefixtures("server")
def test_a_wrong_option_is_raised_even_where_failures_are_silenced() -> None:
    with override_settings(EVERPOST={"trust": "/nowhere.pem"}), pytest.raises(everpost.ConfigError):
        letter().send(fail_silently=True)
    with override_settings(EVERPOST={"colour": "red"}), pytest.raises(TypeError, match="colour"):
        letter().send(fail_silently=True)


def test_a_new_project_sends_by_its_settings_alone(server: Rehearsal, tmp_path: Path) -> None:
    admin = [sys.executable, "-m", "django"]
    subprocess.run([*admin, "startproject", "site1", str(tmp_path)], check=True, timeout=60)
    if VERSION >= (6, 1):
        options = {
            "host": server.host,
            "port": server.starttls_port,
            "use_tls": True,
            "username": "app",
            "password": "secret",
            "options": {"trust": server.ca_file},
        }
        mailer = {"BACKEND": "everpost.django.EmailBackend", "OPTIONS": options}
        lines = [f"MAILERS = {{'default': {mailer!r}}}"]
    else:
        lines = [
            'EMAIL_BACKEND = "everpost.django.EmailBackend"',
            f"EMAIL_HOST, EMAIL_PORT = {server.host!r}, {server.starttls_port}",
            "EMAIL_HOST_USER, EMAIL_HOST_PASSWORD, EMAIL_USE_TLS = 'app', 'secret', True",
            f"EVERPOST = {{'trust': {server.ca_file!r}}}",
        ]
    with (tmp_path / "site1" / "settings.py").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, str(tmp_path / "manage.py"), "sendtestemail", "ann@example.com"]
    subprocess.run(command, check=True, timeout=60, env=environment)
    assert b"Test email from" in server.received()[0].data
