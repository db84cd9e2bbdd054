"""The ``everpost`` command: ``python -m everpost --help``."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING

from everpost import _native

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit code.

    Args:
        arguments: What follows its name: those of this process unless given.

    """
    words = sys.argv[1:] if arguments is None else arguments
    # It writes to the same streams by itself.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with _ctrl_c():
        return _native.cli(list(words))


@contextlib.contextmanager
def _ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end the process at once, unless the command listens for it.

    Python's own handler would run no sooner than when the command has ended.
    """
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    except ValueError:
        # Not the main thread: signals are not ours.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main())
