"""The fixtures that users of pytest get."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import everpost

if TYPE_CHECKING:
    from everpost.rehearsal import Rehearsal

TESTS = """
import socket
import pytest
from everpost import CertificateError, Mailer
from everpost.rehearsal import Rehearsal

LETTER = b"From: app@example.org\\r\\nTo: ann@example.com\\r\\n\\r\\nHello.\\r\\n"

def test_mail_survives_a_renewal(rehearsal):
    with Mailer(rehearsal.url) as mailer:
        mailer.send(LETTER)
        rehearsal.rotate()
        mailer.send(LETTER)
    assert [one.recipients for one in rehearsal.received()] == [("ann@example.com",)] * 2

def test_each_test_has_a_server_of_its_own(rehearsal):
    assert rehearsal.received() == []

def test_an_expired_certificate_is_told(rehearsal):
    rehearsal.expire()
    with Mailer(rehearsal.starttls_url) as mailer, pytest.raises(CertificateError):
        mailer.send(LETTER)

ports = []

def test_a_server_lives_as_long_as_its_test(rehearsal):
    ports.append(rehearsal.port)
    socket.create_connection(("127.0.0.1", rehearsal.port)).close()

def test_and_no_longer():
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]))

def test_servers_may_have_options(make_rehearsal):
    server = make_rehearsal(credentials={"app": "secret"})
    assert "app:secret@" in server.url
    assert make_rehearsal().port != server.port
"""


def test_a_users_tests_pass_with_the_fixtures_alone(tmp_path: Path) -> None:
    (tmp_path / "test_mail.py").write_text(TESTS)
    (tmp_path / "tmp").mkdir()
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONPATH": str(Path(everpost.__file__).parents[1]),
        # So that it is loaded once, installed or not.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "everpost.pytest_plugin"]

    def run(*words: str) -> Any:
        return subprocess.run(
            [*command, *words], capture_output=True, text=True, timeout=60, env=environment,
            check=False, cwd=tmp_path,
        ).stdout  # fmt: skip

    assert "A mail server that takes everything" in run("--fixtures-per-test")
    passed = run()
    assert "6 passed" in passed, passed
    left = [one.name for one in (tmp_path / "tmp").iterdir() if "rehearsal" in one.name]
    assert left == []


def test_threads_of_a_test_share_the_server(rehearsal: Rehearsal) -> None:
    letter = b"From: app@example.org\r\nTo: ann@example.com\r\n\r\nHello.\r\n"
    with everpost.Mailer(rehearsal.url) as mailer:
        threads = [threading.Thread(target=mailer.send, args=(letter,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(rehearsal.received()) == 8
