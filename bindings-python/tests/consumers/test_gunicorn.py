"""A real gunicorn with workers that were forked, through rotations."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from everpost.rehearsal import Rehearsal

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn wants fork")

APP = """
import os
from everpost import Mailer

mailer = Mailer(os.environ["MAIL_URL"])


def letter(subject):
    head = f"From: app@example.org\\r\\nTo: ann@example.com\\r\\nSubject: {subject}\\r\\n\\r\\n"
    return head.encode() + b"Hello.\\r\\n"


# Before the workers are forked: they inherit a mailer with a warm connection.
mailer.send(letter("started"))


def app(environ, start_response):
    mailer.send(letter(environ["PATH_INFO"]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


@pytest.fixture(params=[("sync", 1), ("gthread", 2)], ids=["sync", "gthread"])
def gunicorn(
    request: pytest.FixtureRequest, rehearsal: Rehearsal, tmp_path: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    worker, threads = request.param
    (tmp_path / "web.py").write_text(APP)
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("w") as stderr:
        command = [
            sys.executable, "-m", "gunicorn", "--preload", "--workers=3", f"--threads={threads}",
            f"--worker-class={worker}", f"--bind=fd://{listener.fileno()}",
            f"--worker-tmp-dir={tmp_path}", "--no-control-socket", "web:app",
        ]  # fmt: skip
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "MAIL_URL": rehearsal.url},
            pass_fds=[listener.fileno()],
            stderr=stderr,
        )
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with process:
        try:
            yield place, process, log
        finally:
            process.kill()


def test_forked_workers_send_through_rotations(
    gunicorn: tuple[str, subprocess.Popen[bytes], Path], rehearsal: Rehearsal
) -> None:
    place, process, log = gunicorn

    def ask(number: str) -> bytes:
        with urllib.request.urlopen(f"{place}/{number}", timeout=30) as answer:
            return answer.read()

    workers, rounds = set(), 0
    with ThreadPoolExecutor(8) as clients:
        # One that is still starting would not hear that it shall end.
        while rounds < 6 or len(workers) < 3:
            answers = [clients.submit(ask, f"{rounds}-{number}") for number in range(25)]
            # While they are on their way.
            rehearsal.rotate(restart=rounds % 2 == 1)
            workers |= {answer.result() for answer in answers}
            rounds += 1
            assert rounds < 100
    assert str(process.pid).encode() not in workers
    copies = rehearsal.counts()
    assert len(copies) == 1 + 25 * rounds
    assert set(copies.values()) == {1}
    # Idle mailers keep nobody from leaving.
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    assert "SIGKILL" not in log.read_text()
