"""A real celery with workers that were forked, through rotations."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import everpost
import pytest
from celery import Celery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from everpost.rehearsal import Rehearsal

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="celery's prefork pool wants fork"),
    # Celery's own.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

TASKS = """
import json
import os
from celery import Celery
from everpost import Mailer

app = Celery("tasks")
app.conf.update(json.loads(os.environ["CELERY_CONF"]))
mailer = Mailer(os.environ["MAIL_URL"])


def letter(subject, to="ann@example.com"):
    head = f"From: app@example.org\\r\\nTo: {to}\\r\\nSubject: {subject}\\r\\n\\r\\n"
    return head.encode() + b"Hello.\\r\\n"


# Before the pool is forked: its processes inherit a mailer with a warm connection.
mailer.send(letter("started"))


@app.task
def send(subject, to):
    return os.getpid(), mailer.send(letter(subject, to)).message_id
"""


@pytest.fixture(params=["json", "pickle"])
def conf(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    for name in ("queue", "outbox", "results"):
        (tmp_path / name).mkdir()
    return {
        "broker_url": "filesystem://",
        "broker_transport_options": {
            "data_folder_in": str(tmp_path / "queue"),
            "data_folder_out": str(tmp_path / "outbox"),
            "polling_interval": 0.02,
        },
        "result_backend": f"file://{tmp_path / 'results'}",
        "result_serializer": request.param,
        "accept_content": ["json"],
        "result_accept_content": [request.param],
        "broker_connection_retry_on_startup": True,
        "worker_hijack_root_logger": False,
    }


def with_control_folder(conf: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Each side has one of its own, as they too are read while they are written."""
    folder.mkdir()
    options = {**conf["broker_transport_options"], "control_folder": str(folder)}
    return {**conf, "broker_transport_options": options}


@pytest.fixture
def worker(
    conf: dict[str, Any], rehearsal: Rehearsal, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "tasks.py").write_text(TASKS)
    command = [
        sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=prefork",
        "--concurrency=3", "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
    conf = with_control_folder(conf, tmp_path / "worker")
    environment = {**os.environ, "MAIL_URL": rehearsal.url, "CELERY_CONF": json.dumps(conf)}
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                # Of interest when something failed.
                log.seek(0)
                print(log.read())


def test_forked_workers_send_through_rotations(
    worker: subprocess.Popen[bytes], conf: dict[str, Any], rehearsal: Rehearsal, tmp_path: Path
) -> None:
    app = Celery("client")
    app.conf.update(with_control_folder(conf, tmp_path / "client"))

    def send(subject: str, to: str = "ann@example.com") -> Any:
        result = app.send_task("tasks.send", [subject, to])
        # The transport takes files out of its queue that are not yet written.
        for file in (tmp_path / "outbox").iterdir():
            file.rename(tmp_path / "queue" / file.name)
        return result

    answers, rounds = [], 0
    while rounds < 4 or len({process for process, _ in answers}) < 2:
        results = [send(f"{rounds}-{number}") for number in range(15)]
        # By then they are in the middle of their work.
        results[7].get(timeout=60, interval=0.02)
        rehearsal.rotate(restart=rounds % 2 == 1)
        answers += [tuple(result.get(timeout=60, interval=0.02)) for result in results]
        rounds += 1
        assert rounds < 100
    processes = {process for process, _ in answers}
    assert worker.pid not in processes
    copies = rehearsal.counts()
    assert len(copies) == 1 + 15 * rounds
    assert set(copies.values()) == {1}
    assert {message.strip("<>") for _, message in answers} < set(copies)

    refusal = {"pattern": "bad*", "reply": "550 5.1.1 no such user"}
    rehearsal.request({"do": "settings", "set": {"refuse_recipients": [refusal]}})
    with pytest.raises(everpost.RejectedError) as caught:
        send("refused", "bad@example.com").get(timeout=60, interval=0.02)
    if conf["result_serializer"] == "pickle":
        # All of it passed two processes and a file.
        assert caught.value.delivery == "refused"
        assert caught.value.rejected[0].address == "bad@example.com"

    # Idle mailers keep nobody from leaving.
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    app.close()
