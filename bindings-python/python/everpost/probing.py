"""Looking at servers: :func:`probe` and :func:`diagnose`, and both for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from everpost import _log, _native, _options
from everpost._loop import Home
from everpost._token import asker
from everpost.reports import Diagnosis, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from everpost._options import Options, Size, Time, Trust
    from everpost.certificate import CertificateFile

__all__ = ["ProbeOptions", "adiagnose", "aprobe", "diagnose", "probe"]


class ProbeOptions(TypedDict, total=False):
    """How to look at a server. Every option has a default."""

    trust: Trust | Sequence[Trust] | None
    """Whom to trust: "system", "mozilla", or files: "system" unless set."""
    pin: str | Sequence[str] | None
    """SHA-256 of public keys, one of which must be in the chain."""
    fingerprint: str | Sequence[str] | None
    """SHA-256 of certificates, one of which the server must show."""
    compare: CertificateFile | None
    """What the server should show, such as the file that was renewed on disk."""
    judge_after: Time
    """Judge for so much later."""
    warn: str
    """When a nearing expiry is a warning, such as "30d,25%"."""
    crit: str
    """When it is critical."""
    sni: str
    """The host name to ask for."""
    verify_name: str
    """The name that the certificate must carry."""
    ehlo: str
    """The name given with EHLO."""
    connect_to: str
    """Connect to this address instead of resolving the name."""
    all_addresses: bool
    """Whether to look at every address of the name."""
    deadline: Time
    """The time for each address."""
    dane: bool
    """Whether to hold the certificate against the domain's DANE records."""
    mta_sts: bool
    """Whether to hold the server against the domain's MTA-STS policy."""


_TIMES = ("judge_after", "deadline")


def _arguments(target: str, options: ProbeOptions) -> tuple[Any, ...]:
    _log.follow()
    unknown = options.keys() - ProbeOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
    names, pem = _options.roots(options.get("trust"))
    pairs = [("trust", name) for name in names]
    compare = options.get("compare")
    for key, value in options.items():
        if key in ("trust", "compare") or value is None:
            continue
        if key in ("pin", "fingerprint"):
            pairs += [(key, one) for one in _options.as_list(value)]
        else:
            pairs.append((key, _options.text(value, is_time=key in _TIMES)))
    return target, pairs, pem, None if compare is None else compare._native


def probe(target: str, **options: Unpack[ProbeOptions]) -> Report:
    """Look at a server without trusting it, and judge its certificate. Sends no mail.

    Args:
        target: ``host``, ``host:465``, ``smtp://host``, ``smtps://host``, or
            ``mx:domain`` for every mail exchanger of a domain.
        **options: See :class:`ProbeOptions`.

    Returns:
        What was found; a server that cannot be reached is a report too.

    Raises:
        ConfigError: The target or an option cannot work.

    """
    return Report._parse(_native.probe(*_arguments(target, options)))


async def aprobe(target: str, **options: Unpack[ProbeOptions]) -> Report:
    """As :func:`probe`, for asyncio."""
    return Report._parse(await Home().run(_native.probe, *_arguments(target, options)))


def _ladder(
    url: str | None,
    from_: str | None,
    to: str | Sequence[str],
    size: Size | None,
    looks: bool,
    options: Options,
) -> tuple[Any, ...]:
    _log.follow()
    pairs = [] if from_ is None else [("from", from_)]
    pairs += [("to", one) for one in _options.as_list(to)]
    if size is not None:
        pairs.append(("size", str(size)))
    pairs.append(("looks", "true" if looks else "false"))
    return _options.settings(url, options, asker(options.get("token"))), pairs


def diagnose(
    url: str | None = None,
    *,
    from_: str | None = None,
    to: str | Sequence[str] = (),
    size: Size | None = None,
    looks: bool = True,
    **options: Unpack[Options],
) -> Diagnosis:
    """Climb from DNS to the login and beyond, and say at the first step that fails why.

    No message is sent.

    Args:
        url: As of :class:`everpost.Mailer`.
        from_: A sender to ask about.
        to: Recipients to ask about; they need ``from_``.
        size: A size of message to ask about.
        looks: Whether a failure may be followed by short looks at the other
            usual ports of the host.
        **options: As of :class:`everpost.Mailer`.

    Raises:
        ConfigError: An option cannot work. What goes wrong on the way is in
            the report.

    """
    ladder = _ladder(url, from_, to, size, looks, options)
    return Diagnosis._parse(_native.diagnose(*ladder))


async def adiagnose(
    url: str | None = None,
    *,
    from_: str | None = None,
    to: str | Sequence[str] = (),
    size: Size | None = None,
    looks: bool = True,
    **options: Unpack[Options],
) -> Diagnosis:
    """As :func:`diagnose`, for asyncio."""
    ladder = _ladder(url, from_, to, size, looks, options)
    return Diagnosis._parse(await Home().run(_native.diagnose, *ladder))
