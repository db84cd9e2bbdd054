"""Django's own tests of mail, run with our backend where they speak of an SMTP backend.

    python django_suite.py path/to/django-x.y.z

The argument is the source distribution of the Django that is installed. Its
tests stay as they are: they are imported with ``everpost.django`` in the place
of ``django.core.mail.backends.smtp``, and its own runner runs them.
"""

from __future__ import annotations

import faulthandler
import os
import runpy
import sys
import unittest
from importlib import import_module
from pathlib import Path
from typing import Any

import django
from django.core.mail.backends import smtp as theirs
from django.test.runner import DiscoverRunner
from everpost.django import EmailBackend

NO_DOMAIN = (
    "an address without a domain is no mailbox (RFC 5321 section 4.1.2): it is refused "
    "before anything is sent, where most servers would refuse it"
)

LISTENS_IN = (
    "it puts a mock in the place of smtplib or ssl, which do not carry our messages; "
    "test_django.py looks at what a server receives instead"
)

SKIPPED = {
    "SMTPBackendTests.test_recipient_without_domain": NO_DOMAIN,
    "SMTPBackendTests.test_lazy_addresses": f"they are 'tester' and 'django': {NO_DOMAIN}",
    "SMTPBackendTests.test_email_msg_uses_crlf": LISTENS_IN,
    "SMTPBackendTests.test_smtp_connection_uses_host_and_port": LISTENS_IN,
    "SMTPBackendTests.test_ssl_context_uses_ssl_certfile_and_keyfile": LISTENS_IN,
    "DeprecatedEmailSettingsTests.test_no_default_mailer_warning_if_any_email_setting_defined": (
        "it expects no warning; of a backend of another package than itself Django warns "
        "wherever EMAIL_BACKEND stands instead of MAILERS"
    ),
}
"""What cannot hold for us, each with its reason."""

if django.VERSION >= (6, 1):
    # Before, it asks a server without logins, and passes.
    SKIPPED["SMTPBackendTests.test_auth_attempted"] = LISTENS_IN
if hasattr(os, "geteuid") and os.geteuid() == 0:
    SKIPPED |= dict.fromkeys(
        (
            "FileBackendTests.test_error_if_file_path_is_not_writable",
            "FileBackendPathLibTests.test_error_if_file_path_is_not_writable",
        ),
        "root may write everywhere",
    )


def main(source: str) -> None:
    """Run the tests by Django's own runtests.py, which ends the process."""
    theirs.EmailBackend = EmailBackend
    build_suite = DiscoverRunner.build_suite
    script = Path(source) / "tests" / "runtests.py"
    files = (script.parent / "mail").glob("test*.py")
    modules = [f"mail.{file.stem}" for file in files]

    def build_suite_without_skipped(self: DiscoverRunner, *args: Any, **kwargs: Any) -> Any:
        for name, reason in SKIPPED.items():
            case, _, test = name.partition(".")
            for module in map(import_module, modules):
                # Which tests there are, and where, depends on the version.
                if hasattr(getattr(module, case, None), test):
                    setattr(getattr(module, case), test, unittest.skip(reason)(lambda _: None))
        return build_suite(self, *args, **kwargs)

    # Nothing may hang for ever.
    faulthandler.dump_traceback_later(300, exit=True)
    DiscoverRunner.build_suite = build_suite_without_skipped
    sys.path.insert(0, str(script.parent))
    sys.argv = [str(script), "--parallel=1", "mail"]
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
