"""``python -m everpost`` and the ``everpost`` command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from everpost.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    from everpost.rehearsal import Rehearsal

COMMAND = [sys.executable, "-m", "everpost"]


def run(*words: str, **more: Any) -> Any:
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=60, check=False, **more
    )


def test_it_says_its_version_and_its_help() -> None:
    assert run("--version").stdout.startswith("everpost ")
    helped = run("--help")
    assert (helped.returncode, "Usage: everpost" in helped.stdout) == (0, True)
    assert run("send", "--nonsense").returncode == 2
    assert "Usage: everpost send" in run("send", "--nonsense").stderr


def test_it_sends_and_probes(rehearsal: Rehearsal) -> None:
    environment = {**os.environ, "EVERPOST_URL": rehearsal.url}
    sent = run(
        "send", "--from", "app@example.org", "--to", "ann@example.com", "--subject", "Hello",
        "--text", "Grüße", "--json", env=environment,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    assert json.loads(sent.stdout)["delivery"] == "accepted"
    assert rehearsal.received()[0].recipients == ("ann@example.com",)
    probed = run(
        "probe", f"smtps://{rehearsal.host}:{rehearsal.port}", "--trust", rehearsal.ca_file
    )
    assert probed.returncode == 0, probed.stdout
    rehearsal.expire()
    probed = run(
        "probe", f"smtps://{rehearsal.host}:{rehearsal.port}", "--trust", rehearsal.ca_file
    )
    assert (probed.returncode, "expired" in probed.stdout) == (2, True)


def test_a_program_may_call_it_and_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    assert main(["cert", "make", "--host", "localhost", "--out", str(tmp_path / "certs")]) == 0
    assert main(["cert", "show", str(tmp_path / "nothing.pem")]) == 3
    assert "nothing.pem" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_ctrl_c_ends_what_waits() -> None:
    # It answers its standard input until that ends.
    process = subprocess.Popen(
        [*COMMAND, "rehearse", "--serve"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with process:
        assert json.loads(process.stdout.readline())["event"] == "listening"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == -signal.SIGINT


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_ctrl_c_lets_a_rehearsal_reckon() -> None:
    process = subprocess.Popen(
        [*COMMAND, "rehearse", "--messages", "1000000", "--rotations", "1000"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with process:
        # It listens by the time it has rotated.
        next(line for line in process.stdout if line.split()[:1] == ["1"])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert "lost" in process.stdout.read()
