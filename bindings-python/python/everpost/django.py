"""Django's mail, over pooled and rotation-safe connections.

In the settings of a project::

    EMAIL_BACKEND = "everpost.django.EmailBackend"

``EMAIL_HOST`` and its like mean what they meant. ``EVERPOST`` may hold more of
what :class:`everpost.Mailer` takes::

    EVERPOST = {"trust": "/etc/ssl/mail-ca.pem", "max_connections": 8}

All backends of a process with the same settings share one pool: nothing is
gained by keeping a connection open, and nothing is lost by opening one for each
mail. A worker that was forked has a pool of its own.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.core.mail.backends import smtp as _django

from everpost import smtplib
from everpost._context import tls_options

__all__ = ["EmailBackend"]


class EmailBackend(_django.EmailBackend):
    """Sends as Django's own SMTP backend does, and means the same by its settings.

    What it raises is what that would, and an :class:`everpost.Error` too. Two
    things are stricter: certificates are verified against the system's roots,
    or ``EVERPOST["trust"]``, also where ``EMAIL_SSL_CERTFILE`` is set; and a
    login without TLS needs ``EVERPOST["allow_plaintext_auth"]``.

    Args:
        **kwargs: Those of Django's backend.
        options: More of what :class:`everpost.Mailer` takes, in addition to
            ``EVERPOST`` of the settings.

    """

    def __init__(self, *args: Any, options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.options = {**getattr(settings, "EVERPOST", {}), **(options or {})}

    @property
    def connection_class(self) -> Any:
        """What is called with host and port to connect."""
        identity = tls_options(None, self.ssl_keyfile, self.ssl_certfile)
        options = {**identity, **self.options}
        return partial(smtplib.SMTP_SSL if self.use_ssl else smtplib.SMTP, options=options)

    @cached_property
    def ssl_context(self) -> Any:
        """None: trust and certificates are options."""
        return None
