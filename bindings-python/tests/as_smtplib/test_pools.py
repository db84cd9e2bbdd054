"""Pools beneath ``everpost.smtplib``, through rotations, and whom they trust."""

from __future__ import annotations

import os
import ssl
import threading
from typing import TYPE_CHECKING, Any

import everpost
import pytest
from everpost import _shared, smtplib
from everpost._context import tls_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from everpost.rehearsal import Rehearsal

LETTER = b"From: app@example.org\r\nTo: ann@example.com\r\nSubject: hello\r\n\r\nHello.\r\n"


def test_code_that_connects_for_each_mail_gets_warm_connections(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    with log_in(server, trust) as smtp:
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    before = server.stats()["connections"]
    for _ in range(20):
        with log_in(server, trust) as smtp:
            smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    assert server.stats()["messages"] == 21
    # The pool may have opened one more while the first was on its way back.
    assert server.stats()["connections"] - before <= 1


def test_rotations_are_not_seen(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    for turn in range(6):
        with log_in(server, trust) as smtp:
            smtp.sendmail("app@example.org", "ann@example.com", LETTER)
        server.rotate(restart=turn % 2 == 1)
    assert server.stats()["messages"] == 6


def test_implicit_tls_is_the_other_class(server: Rehearsal, trust: dict[str, Any]) -> None:
    with smtplib.SMTP_SSL(server.host, server.port, options=trust) as smtp:
        smtp.login("app", "secret")
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    assert server.received()[0].details["tls"]


def test_other_settings_have_a_pool_of_their_own(server: Rehearsal, trust: dict[str, Any]) -> None:
    one = smtplib.SMTP(server.host, server.starttls_port, options=trust)._mailer()
    assert one is smtplib.SMTP(server.host, server.starttls_port, options=trust)._mailer()
    assert one is not smtplib.SMTP(server.host, server.plain_port, options=trust)._mailer()
    assert (
        one
        is not smtplib.SMTP(
            server.host, server.starttls_port, options={**trust, "max_connections": 1}
        )._mailer()
    )


def test_many_threads_may_each_have_an_object(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    def work() -> None:
        for _ in range(5):
            with log_in(server, trust) as smtp:
                smtp.sendmail("app@example.org", "ann@example.com", LETTER)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.stats()["messages"] == 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_sends_and_so_does_its_parent(
    server: Rehearsal, trust: dict[str, Any], log_in: Callable[..., smtplib.SMTP]
) -> None:
    with log_in(server, trust) as smtp:
        smtp.sendmail("app@example.org", "ann@example.com", LETTER)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                smtp.sendmail("child@example.org", "ann@example.com", LETTER)
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        smtp.sendmail("parent@example.org", "ann@example.com", LETTER)
    senders = [one.sender for one in server.received()]
    assert senders == ["app@example.org", "child@example.org", "parent@example.org"]


def test_certificates_are_verified_without_being_asked_to(server: Rehearsal) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        smtplib.SMTP_SSL(server.host, server.port)


def test_a_context_says_whom_to_trust(server: Rehearsal) -> None:
    trusting = ssl.create_default_context(cafile=server.ca_file)
    smtplib.SMTP_SSL(server.host, server.port, context=trusting).noop()
    more = ssl.create_default_context()
    more.load_verify_locations(server.ca_file)
    smtplib.SMTP_SSL(server.host, server.port, context=more).noop()
    with pytest.raises(ssl.SSLError):
        smtplib.SMTP_SSL(server.host, server.port, context=ssl.create_default_context())
    of_the_system = bool(ssl.create_default_context().get_ca_certs())
    assert ("system" in tls_options(more)["trust"]) == of_the_system
    careless = ssl._create_unverified_context()
    smtplib.SMTP_SSL(server.host, server.port, context=careless).noop()


def test_a_context_that_cannot_be_honoured_is_refused(server: Rehearsal) -> None:
    nameless = ssl.create_default_context(cafile=server.ca_file)
    nameless.check_hostname = False
    with pytest.raises(everpost.ConfigError, match="verify_name"):
        smtplib.SMTP_SSL(server.host, server.port, context=nameless)
    old = ssl.create_default_context(cafile=server.ca_file)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(everpost.ConfigError, match="TLSv1_2"):
        smtplib.SMTP_SSL(server.host, server.port, context=old)


def test_a_certificate_to_show_is_given_by_its_files(
    make_rehearsal: Callable[..., Rehearsal], tmp_path: Path
) -> None:
    server = make_rehearsal(client_auth="required")
    made = server.request({"do": "client_certificate", "name": "app"})
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_text(made["chain_pem"])
    key.write_text(made["key_pem"])
    trust = {"trust": server.ca_file}
    smtp = smtplib.SMTP(server.host, server.starttls_port, options=trust)
    smtp.starttls(keyfile=key, certfile=chain)
    smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    with pytest.raises(ValueError, match="certfile must be specified"):
        smtplib.SMTP_SSL(server.host, server.port, keyfile=key, options=trust)
    with pytest.raises(ssl.SSLError):
        smtplib.SMTP_SSL(server.host, server.port, options=trust)


def test_debug_output_tells_what_happens_and_no_password(
    server: Rehearsal, trust: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    smtp = smtplib.SMTP(server.host, server.starttls_port, options=trust)
    smtp.set_debuglevel(1)
    smtp.starttls()
    smtp.login("app", "secret")
    smtp.sendmail("app@example.org", "ann@example.com", LETTER)
    text = capsys.readouterr().err
    assert "sendmail: app@example.org" in text
    assert "secret" not in text


def test_options_cannot_name_the_place() -> None:
    with pytest.raises(TypeError, match="port is not one of the options"):
        smtplib.SMTP(options={"port": 25})
    with pytest.raises(ValueError, match="source_address"):
        smtplib.SMTP("localhost", source_address=("127.0.0.1", 1))


def test_a_token_stands_in_the_place_of_a_login(make_rehearsal: Callable[..., Rehearsal]) -> None:
    server = make_rehearsal(tokens={"app": "token-1"})

    class Provider:
        def token(self) -> str:
            return "token-1"

    provider = Provider()
    pools = set()
    for _ in range(3):
        options = {"trust": server.ca_file, "username": "app", "token": provider.token}
        with smtplib.SMTP(server.host, server.starttls_port, options=options) as smtp:
            smtp.starttls()
            smtp.sendmail("app@example.org", "ann@example.com", LETTER)
            pools.add(smtp._mailer())
    assert len(server.received()) == 3
    # A method of the same object is the same provider.
    assert len(pools) == 1


def test_pools_that_nobody_uses_any_more_are_let_go() -> None:
    first = _shared.mailer({"host": "localhost", "port": 1})
    assert _shared.mailer({"host": "localhost", "port": 1}) is first
    for port in range(2, 2 + _shared._MOST):
        _shared.mailer({"host": "localhost", "port": port})
    assert len(_shared._mailers) <= _shared._MOST
    assert _shared.mailer({"host": "localhost", "port": 1}) is not first


def test_a_pool_that_was_closed_is_replaced() -> None:
    closed = _shared.mailer({"host": "localhost"})
    closed.close()
    assert _shared.mailer({"host": "localhost"}) is not closed


def test_no_password_can_be_read_out_of_what_tells_pools_apart() -> None:
    options = {"host": "localhost", "username": "app", "password": "canary-password"}
    assert "canary" not in repr(_shared._key(options))
    assert _shared._key(options) != _shared._key({**options, "password": "another"})
    assert _shared._key({"trust": "a"}) != _shared._key({"trust": b"a"})
    assert _shared._key({"trust": ["a", "b"]}) != _shared._key({"trust": ["a,b"]})


def test_other_token_providers_have_a_pool_of_their_own() -> None:
    options = {"host": "localhost", "username": "app"}
    one, other = (lambda: "1"), (lambda: "2")
    pool = _shared.mailer({**options, "token": one})
    assert _shared.mailer({**options, "token": one}) is pool
    assert _shared.mailer({**options, "token": other}) is not pool
