"""Watching many servers, and what changes told once: :func:`watch` and :func:`awatch`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, TypedDict

from everpost import _log, _native, _options
from everpost._document import Document, moment
from everpost._loop import Home
from everpost.reports import Leaf

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
    from datetime import datetime
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from everpost._options import Path, Time, Trust

__all__ = ["AsyncWatch", "Watch", "WatchEvent", "WatchOptions", "awatch", "watch"]


class WatchOptions(TypedDict, total=False):
    """How to watch. Every option has a default."""

    config: Path
    """A configuration file, TOML or a list (docs/watch.md)."""
    trust: Trust | Sequence[Trust] | None
    """Whom to trust: "system", "mozilla", or files: "system" unless set."""
    interval: Time
    """How often each is looked at, give or take a tenth: 1 h unless set."""
    deadline: Time
    """How long one address may take: 30 s unless set."""
    recheck: Time
    """After how long a server that cannot be reached is looked at again before that is told."""
    min_gap: Time
    """The least time between two looks at one host: 1 s unless set."""
    parallel: int
    """How many are looked at at once: 32 unless set."""
    all_addresses: bool
    """Whether to look at every address of a host: yes unless set."""
    state: Path
    """A file in which what was seen survives restarts; none unless set."""


_TIMES = frozenset({"interval", "deadline", "recheck", "min_gap"})


class WatchEvent(Document):
    """A change at one server: schema "everpost.watch.event/1". Each is told once."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """What kind of change, such as "first_seen", "rotated" or "expiring"."""
        return str(self._data["event"])

    @property
    def at(self) -> datetime:
        """When it was seen."""
        return moment(self._data["at"])

    @property
    def endpoint(self) -> str:
        """What the server is called."""
        return str(self._data["endpoint"])

    @property
    def target(self) -> str:
        """What was looked at, as "host:port"."""
        return str(self._data["target"])

    @property
    def severity(self) -> str:
        """How bad it is: "info", "warning" or "critical"."""
        return str(self._data["severity"])

    @property
    def status(self) -> str:
        """How the server is now: "healthy", "degraded" or "unhealthy"."""
        return str(self._data["status"])

    @property
    def message(self) -> str:
        """One line for a person."""
        return str(self._data["message"])

    @property
    def remedy(self) -> str | None:
        """What to do about it."""
        return self._text("remedy")

    @property
    def old(self) -> Leaf | None:
        """The certificate before."""
        return Leaf._maybe(self._data["old"])

    @property
    def new(self) -> Leaf | None:
        """The certificate now."""
        return Leaf._maybe(self._data["new"])

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.message}"


class _Watch:
    """What both forms have in common."""

    __slots__ = ("_native",)

    def __init__(self, targets: str | Iterable[str], options: WatchOptions) -> None:
        _log.follow()
        unknown = options.keys() - WatchOptions.__annotations__.keys()
        if unknown:
            raise TypeError(f"unexpected keyword argument {min(unknown)!r}")
        plan: dict[str, Any] = dict.fromkeys(WatchOptions.__annotations__)
        for key, value in options.items():
            if key in _TIMES and value is not None:
                value = _options.text(value, is_time=True)  # noqa: PLW2901
            plan[key] = value
        plan["trust"], plan["trust_pem"] = _options.roots(options.get("trust"))
        plan["targets"] = [targets] if isinstance(targets, str) else list(targets)
        for key in ("config", "state"):
            plan[key] = None if plan[key] is None else os.fspath(plan[key])
        self._native = _native.Watch(plan)

    def state(self) -> dict[str, Any]:
        """All that has been seen so far, as docs/watch.md describes it."""
        state: dict[str, Any] = json.loads(self._native.state())
        return state


class Watch(_Watch):
    """A watch under way: iterate over it for changes. Made by :func:`watch`."""

    __slots__ = ()

    def __iter__(self) -> Iterator[WatchEvent]:
        return self

    def __next__(self) -> WatchEvent:
        told = self._native.next()
        if told is None:
            raise StopIteration
        return WatchEvent._parse(told)

    def close(self) -> None:
        """End it; what was seen is saved first."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncWatch(_Watch):
    """A watch under way: iterate over it for changes. Made by :func:`awatch`."""

    __slots__ = ("_home",)

    def __init__(self, targets: str | Iterable[str], options: WatchOptions) -> None:
        super().__init__(targets, options)
        self._home = Home()

    def __aiter__(self) -> AsyncIterator[WatchEvent]:
        return self

    async def __anext__(self) -> WatchEvent:
        told = await self._home.run(self._native.next)
        if told is None:
            raise StopAsyncIteration
        return WatchEvent._parse(told)

    async def aclose(self) -> None:
        """End it; what was seen is saved first."""
        self._native.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def watch(targets: str | Iterable[str] = (), **options: Unpack[WatchOptions]) -> Watch:
    """Look at servers on a schedule, and tell each change once.

    Args:
        targets: What to look at, as :func:`everpost.probe` takes it.
        **options: See :class:`WatchOptions`.

    Raises:
        ConfigError: A target or an option cannot work.

    """
    return Watch(targets, options)


def awatch(targets: str | Iterable[str] = (), **options: Unpack[WatchOptions]) -> AsyncWatch:
    """As :func:`watch`, for asyncio: ``async for change in awatch(…)``."""
    return AsyncWatch(targets, options)
