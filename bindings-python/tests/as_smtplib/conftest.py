"""A server with a user, who may also send without logging in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from everpost import smtplib

if TYPE_CHECKING:
    from collections.abc import Callable

    from everpost.rehearsal import Rehearsal


@pytest.fixture
def server(make_rehearsal: Callable[..., Rehearsal]) -> Rehearsal:
    return make_rehearsal(credentials={"app": "secret"}, settings={"auth_optional": True})


@pytest.fixture
def trust(server: Rehearsal) -> dict[str, Any]:
    return {"trust": server.ca_file}


@pytest.fixture
def log_in() -> Callable[..., smtplib.SMTP]:
    """Connects and logs in."""
    return _log_in


def _log_in(server: Rehearsal, trust: dict[str, Any], port: int | None = None) -> smtplib.SMTP:
    smtp = smtplib.SMTP(server.host, port or server.starttls_port, options=trust)
    smtp.starttls()
    smtp.login("app", "secret")
    return smtp


@pytest.fixture
def refuse() -> Callable[..., None]:
    """Has a server refuse addresses by pattern."""
    return _refuse


def _refuse(server: Rehearsal, **patterns: str) -> None:
    refusals = {
        f"refuse_{whom}": [{"pattern": pattern, "reply": "550 5.7.1 not here"}]
        for whom, pattern in patterns.items()
    }
    server.request({"do": "settings", "set": refusals})
