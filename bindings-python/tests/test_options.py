from __future__ import annotations

from datetime import timedelta

import everpost
import pytest
from everpost import Mailer, _native, _options, probing


def test_the_options_are_those_of_the_url() -> None:
    assert _options._KNOWN - (_options._OWN - {"pin", "trust"}) == set(_native.mailer_keys())
    keys = set(_native.probe_keys()) - {"compare_password"}
    assert set(probing.ProbeOptions.__annotations__) == keys


def test_values_are_written_as_the_url_writes_them() -> None:
    written = dict(
        _options.settings(
            None,
            {
                "max_idle": 1.5,
                "max_age": timedelta(minutes=2),
                "send_timeout": "30s",
                "connect_timeout": 0.0001,
                "fresh": True,
                "chunking": False,
                "max_connections": 8,
                "auth": ["PLAIN", "LOGIN"],
                "rate": (100, 60),
                "min_tls": "1.3",
                "proxy": None,
            },
        )["options"]
    )
    assert written == {
        "max_idle": "1500ms",
        "max_age": "120000ms",
        "send_timeout": "30s",
        "connect_timeout": "1ms",
        "fresh": "true",
        "chunking": "false",
        "max_connections": "8",
        "auth": "PLAIN,LOGIN",
        "rate": "100/60000ms",
        "min_tls": "1.3",
    }


def test_every_option_is_taken_by_the_library() -> None:
    mailer = Mailer(
        host="mail.example.org",
        port=2525,
        tls="starttls",
        username="app",
        password="secret",
        trust=["mozilla"],
        pin="sha256/" + "A" * 43 + "=",
        auth="PLAIN",
        auth_exclude=["LOGIN"],
        allow_plaintext_auth=False,
        min_tls="1.3",
        sni="mail.example.org",
        verify_name="mail.example.org",
        danger_accept_any_certificate=False,
        resumption=True,
        full_handshake_interval=timedelta(hours=1),
        expiry_margin=60,
        probe_interval=3600,
        ehlo="client.example.org",
        proxy="socks5://127.0.0.1:1080",
        bind="127.0.0.1",
        connect_timeout=30,
        handshake_timeout=30,
        greeting_timeout=60,
        command_timeout=60,
        checkout_timeout=60,
        data_timeout=180,
        end_of_data_timeout=600,
        send_timeout=700,
        max_connections=5,
        max_idle=60,
        max_age=300,
        max_messages=100,
        fresh=False,
        rate="100/60s",
        max_attempts=3,
        retry_transient=False,
        on_unknown="report",
        max_message_size="50MB",
        max_attachment_size=1_000_000,
        pipelining=True,
        chunking=False,
        require_all_recipients=True,
    )
    assert mailer.endpoint == "mail.example.org:2525/starttls"


def test_what_is_no_option_is_told_by_its_name() -> None:
    with pytest.raises(TypeError, match="max_conections"):
        Mailer("smtps://mail.example.org", max_conections=5)  # type: ignore[call-arg]
    with pytest.raises(everpost.ConfigError, match="max_connections"):
        Mailer("smtps://mail.example.org", max_connections=0)
    with pytest.raises(everpost.ConfigError, match="either a URL or a host"):
        Mailer()
    with pytest.raises(everpost.ConfigError, match="either a URL or a host"):
        Mailer("smtps://a.example", host="b.example")
    with pytest.raises(ValueError, match="finite"):
        Mailer("smtps://mail.example.org", max_idle=float("inf"))
    for options in ({"username": "app"}, {"password": "secret"}, {"token": lambda: "t"}):
        with pytest.raises(everpost.ConfigError):
            Mailer("smtps://mail.example.org", **options)
