"""One mailer per process for each set of options.

For callers who open a connection for each mail, as users of :mod:`smtplib` and
of Django do: whoever asks with the same options gets the same mailer, and so a
warm connection.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from everpost.mailer import Mailer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["mailer", "offered"]

_MOST: Final = 64
"""Mailers that are kept; beyond, the one that was used least recently goes."""

_KNOWN_FOR: Final = 3600.0
"""How many seconds the word of a server that is well holds."""

_salt: Final = os.urandom(16)
_mailers: OrderedDict[object, Mailer] = OrderedDict()
_words: WeakKeyDictionary[Mailer, tuple[float, dict[str, Any]]] = WeakKeyDictionary()
_lock = threading.Lock()


def _forked() -> None:
    # Another thread of the parent may have held it. The mailers themselves
    # start afresh in a child.
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def mailer(options: Mapping[str, Any]) -> Mailer:
    """The mailer of this process with these options.

    Raises:
        ConfigError: An option cannot work.

    """
    key = _key(options)
    with _lock:
        known = _mailers.get(key)
        if known is not None and not known.closed:
            _mailers.move_to_end(key)
            return known
    # Roots may have to be read from a disk: nobody waits for that.
    made = Mailer(**options)
    with _lock:
        known = _mailers.get(key)
        if known is not None and not known.closed:
            return known
        _mailers[key] = made
        while len(_mailers) > _MOST:
            # Whoever still uses it keeps it; after that it closes by itself.
            _mailers.popitem(last=False)
    return made


def offered(mailer: Mailer) -> dict[str, Any]:
    """What the server offers once this mailer has logged in.

    It is asked, unless it was before and has been well since.

    Raises:
        Error: No mail could be sent.

    """
    with _lock:
        asked, word = _words.get(mailer, (0.0, None))
    if word is not None and time.monotonic() - asked < _KNOWN_FOR and _is_well(mailer):
        return word
    word = mailer.verify()
    with _lock:
        _words[mailer] = (time.monotonic(), word)
    return word


def _is_well(mailer: Mailer) -> bool:
    return mailer.health().status != "unhealthy"


def _key(options: Mapping[str, Any]) -> object:
    """What tells options apart; nobody can read a password out of it."""
    digest = hashlib.blake2b(key=_salt, digest_size=32)
    for name in sorted(options):
        digest.update(f"{name}={_word(options[name])};".encode("utf-8", "surrogateescape"))
    return digest.digest(), *_callables(options)


def _word(value: Any) -> str:
    """A value as text, such that different values have different texts."""
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_word, value))}]"
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if value is None or isinstance(value, (str, bytes, int, float, timedelta)):
        return repr(value)
    return "callable" if callable(value) else f"{type(value).__name__}@{id(value)}"


def _callables(options: Mapping[str, Any]) -> Iterator[Any]:
    # As themselves: two bound methods of one object are equal.
    return (value for _, value in sorted(options.items()) if callable(value))
