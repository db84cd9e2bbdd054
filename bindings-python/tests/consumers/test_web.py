"""Flask with Flask-Mail over ``everpost.smtplib``, and FastAPI with an ``AsyncMailer``."""

from __future__ import annotations

import json
import socket
import sys
import threading
import urllib.error
import urllib.request
from contextlib import asynccontextmanager, contextmanager
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import everpost
import flask
import flask_mail
import pytest
import uvicorn
from everpost import smtplib
from fastapi import FastAPI, HTTPException, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from everpost.rehearsal import Rehearsal


@pytest.fixture
def server(make_rehearsal: Callable[..., Rehearsal]) -> Rehearsal:
    return make_rehearsal(credentials={"app": "secret"})


def test_flask_mail_sends_through_rotations(
    server: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a program of one's own: "from everpost import smtplib".
    monkeypatch.setattr(flask_mail, "smtplib", smtplib)
    monkeypatch.setenv("SSL_CERT_FILE", server.ca_file)
    app = flask.Flask(__name__)
    app.config |= {
        "MAIL_SERVER": server.host,
        "MAIL_PORT": server.starttls_port,
        "MAIL_USE_TLS": True,
        "MAIL_USERNAME": "app",
        "MAIL_PASSWORD": "secret",
        "MAIL_DEFAULT_SENDER": ("App", "app@example.org"),
    }
    mail = flask_mail.Mail(app)

    @app.post("/<subject>")
    def send(subject: str) -> Any:
        mail.send(flask_mail.Message(subject, ["ann@example.com"], body="Hello."))
        return "sent"

    client = app.test_client()
    for turn in range(4):
        assert client.post(f"/{turn}").status_code == 200
        server.rotate(restart=turn % 2 == 1)
    assert [one.details["tls"] for one in server.received()] == [True] * 4


@pytest.mark.parametrize(
    "loop",
    [
        "asyncio",
        pytest.param(
            "uvloop",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows"),
        ),
    ],
)
def test_fastapi_sends_from_its_loop_through_rotations(server: Rehearsal, loop: str) -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        async with everpost.AsyncMailer(server.url) as app.state.mailer:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/{address}")
    async def send(address: str, request: Request) -> Any:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "app@example.org", address, "Hello"
        message.set_content("Hello.")
        try:
            receipt = await request.app.state.mailer.send(message)
        except everpost.RejectedError as error:
            raise HTTPException(422, str(error)) from error
        return {"message_id": receipt.message_id}

    with running(app, loop) as place:
        for turn in range(4):
            status, answer = post(f"{place}/ann@example.com")
            assert status == 200
            assert server.counts()[answer["message_id"].strip("<>")] == 1
            server.rotate(restart=turn % 2 == 1)
        refusal = {"pattern": "bad*", "reply": "550 5.1.1 no such user"}
        server.request({"do": "settings", "set": {"refuse_recipients": [refusal]}})
        assert post(f"{place}/bad@example.com")[0] == 422


@contextmanager
def running(app: Any, loop: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        web = uvicorn.Server(uvicorn.Config(app, loop=loop, log_config=None))
        thread = threading.Thread(target=web.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            web.should_exit = True
            thread.join(timeout=20)
        assert not thread.is_alive()


def post(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, data=b"", timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
