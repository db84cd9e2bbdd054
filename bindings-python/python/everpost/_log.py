"""The library's log, for :mod:`logging`: the logger "everpost" and those below it.

The native layer is told the level of the logger, so that nothing is written
that nobody reads, and brings what is written in batches.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from everpost import _native

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("everpost")
# A library is silent where the program has not set up logging.
logger.addHandler(logging.NullHandler())

_effective_level = logger.getEffectiveLevel
_told = -1


def follow() -> None:
    """Tell the native layer of the logger's level, if that has changed."""
    global _told  # noqa: PLW0603
    level = _effective_level()
    if level != _told:
        _told = level
        _native.log_level(max(level, 0))


def _forget() -> None:
    """In a forked child the native layer knows nothing yet."""
    global _told  # noqa: PLW0603
    _told = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def write(lines: Sequence[tuple[int, str, str]], lost: int) -> None:
    """Hand lines over to the loggers. Called by the native layer."""
    for level, target, text in lines:
        one = logging.getLogger(target.replace("::", "."))
        if one.isEnabledFor(level):
            # No stack is of interest: it is that of a thread of the library.
            one.handle(one.makeRecord(one.name, level, "everpost", 0, text, (), None))
    if lost:
        logger.warning("%d lines of the log were lost: a handler is slow", lost)
