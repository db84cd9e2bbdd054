"""What an :class:`ssl.SSLContext` asks for, as options of a mailer."""

from __future__ import annotations

import functools
import os
import ssl
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from everpost.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["tls_options"]

AnyPath: TypeAlias = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


def tls_options(
    context: ssl.SSLContext | None,
    keyfile: AnyPath | None = None,
    certfile: AnyPath | None = None,
) -> dict[str, Any]:
    """The options that do what the context asks for.

    What it trusts, whether it verifies and the oldest TLS can be read out of a
    context; its own certificate cannot, and is given by its files. A context
    whose roots cannot be seen, as they are looked up in a folder when they are
    needed, counts as one with the system's roots.

    Raises:
        ConfigError: It asks for what cannot be done.

    """
    if context is not None and (keyfile is not None or certfile is not None):
        raise ValueError("context and keyfile or certfile arguments are mutually exclusive")
    if keyfile is not None and certfile is None:
        raise ValueError("certfile must be specified")
    if certfile is not None:
        chain = os.fsdecode(certfile)
        return {"identity": chain if keyfile is None else (chain, os.fsdecode(keyfile))}
    if context is None:
        return {}
    newest = context.maximum_version
    if newest not in (ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3):
        raise ConfigError(f"the context forbids TLS above {newest.name}, which cannot be done")
    options: dict[str, Any] = {}
    if context.minimum_version == ssl.TLSVersion.TLSv1_3:
        options["min_tls"] = "1.3"
    if context.verify_mode == ssl.CERT_NONE:
        options["danger_accept_any_certificate"] = True
        return options
    if not context.check_hostname:
        raise ConfigError(
            "the context verifies certificates but no host name, which cannot be done; "
            'if the certificate has another name, check that and set options={"verify_name": …}'
        )
    trust = _trust(frozenset(context.get_ca_certs(binary_form=True)))
    if trust:
        options["trust"] = trust
    return options


def _roots(roots: frozenset[bytes]) -> tuple[str | bytes, ...]:
    if not roots:
        return ()
    system = frozenset(ssl.create_default_context().get_ca_certs(binary_form=True))
    own = roots - system if system and system <= roots else roots
    pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in sorted(own)).encode()
    with_system = own is not roots
    return (*(("system",) if with_system else ()), *((pem,) if pem else ()))


_trust: Callable[[frozenset[bytes]], tuple[str | bytes, ...]] = functools.lru_cache(8)(_roots)
