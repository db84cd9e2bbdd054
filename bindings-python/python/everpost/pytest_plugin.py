"""Fixtures for tests of programs that send mail.

``rehearsal`` is a real mail server on loopback, whose certificate rotates and
expires on command::

    def test_the_invoice_survives_a_renewal(rehearsal):
        mailer = Mailer(rehearsal.url)
        send_invoice(mailer)
        rehearsal.rotate()
        send_invoice(mailer)
        assert len(rehearsal.received()) == 2

pytest finds this module by itself once the package is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from everpost.rehearsal import Rehearsal

__all__ = ["make_rehearsal", "rehearsal"]


@pytest.fixture
def make_rehearsal() -> Iterator[Callable[..., Rehearsal]]:
    """Start mail servers with options of their own; they stop with the test."""
    # Here, so that tests without it do not load the library.
    from everpost.rehearsal import Rehearsal  # noqa: PLC0415

    servers: list[Rehearsal] = []

    def make(**options: Any) -> Rehearsal:
        server = Rehearsal(**options)
        servers.append(server)
        return server

    yield make
    for server in reversed(servers):
        server.stop()


@pytest.fixture
def rehearsal(make_rehearsal: Callable[..., Rehearsal]) -> Rehearsal:
    """A mail server that takes everything, and any login."""
    return make_rehearsal()
