"""The native layer. Private: its names may change in any version."""

from asyncio import Future
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, final, overload

from everpost.errors import Error
from everpost.results import Rejection, Reply

_Way: TypeAlias = tuple[Channel, Future[Any]]
_Addresses: TypeAlias = tuple[str | None, list[str], str | None, str | None, str | None, bool]
_Options: TypeAlias = list[tuple[str, str]]

__all__ = [
    "Batch",
    "CertificateFile",
    "Channel",
    "Events",
    "LateVerdict",
    "Mailer",
    "Operation",
    "Receipt",
    "Rehearsal",
    "TokenRequest",
    "Watch",
    "cli",
    "close_errands",
    "diagnose",
    "explain",
    "log_level",
    "mailer_keys",
    "probe",
    "probe_keys",
    "version",
]

def version() -> str: ...
def cli(arguments: Sequence[str]) -> int: ...
def close_errands() -> None: ...
def log_level(level: int) -> None: ...
def mailer_keys() -> list[str]: ...
def probe_keys() -> list[str]: ...
@overload
def probe(
    target: str,
    options: _Options,
    trust_pem: list[bytes],
    compare: CertificateFile | None,
    way: None = None,
) -> str: ...
@overload
def probe(
    target: str,
    options: _Options,
    trust_pem: list[bytes],
    compare: CertificateFile | None,
    way: _Way,
) -> Operation: ...
@overload
def diagnose(settings: dict[str, Any], options: _Options, way: None = None) -> str: ...
@overload
def diagnose(settings: dict[str, Any], options: _Options, way: _Way) -> Operation: ...
@overload
def explain(mailer: Mailer, file: CertificateFile | None, way: None = None) -> str: ...
@overload
def explain(mailer: Mailer, file: CertificateFile | None, way: _Way) -> Operation: ...

@final
class Mailer:
    def __new__(cls, settings: dict[str, Any]) -> Mailer: ...
    @property
    def endpoint(self) -> str: ...
    @overload
    def send(
        self,
        content: bytes | str,
        envelope: _Addresses | None,
        timeout: float | None,
        way: None = None,
    ) -> Receipt: ...
    @overload
    def send(
        self,
        content: bytes | str,
        envelope: _Addresses | None,
        timeout: float | None,
        way: _Way,
    ) -> Operation: ...
    @overload
    def close(self, timeout: float | None, way: None = None) -> None: ...
    @overload
    def close(self, timeout: float | None, way: _Way) -> Operation: ...
    @overload
    def verify(self, timeout: float | None, way: None = None) -> str: ...
    @overload
    def verify(self, timeout: float | None, way: _Way) -> Operation: ...
    def batch(self) -> Batch: ...
    def health(self) -> str: ...
    def stats(self) -> tuple[str, str]: ...

@final
class Batch:
    def submit(self, index: int, content: bytes | str, envelope: _Addresses | None) -> None: ...
    @overload
    def next(self, way: None = None) -> list[tuple[int, Receipt | None, Error | None]]: ...
    @overload
    def next(self, way: _Way) -> Operation: ...
    def cancel(self) -> None: ...

@final
class Events:
    def __new__(cls, mailer: Mailer) -> Events: ...
    @overload
    def next(self, way: None = None) -> tuple[str, int] | None: ...
    @overload
    def next(self, way: _Way) -> Operation: ...

@final
class Watch:
    def __new__(cls, plan: dict[str, Any]) -> Watch: ...
    @overload
    def next(self, way: None = None) -> str | None: ...
    @overload
    def next(self, way: _Way) -> Operation: ...
    def state(self) -> str: ...
    def close(self) -> None: ...

@final
class Channel:
    def __new__(cls, wake: Callable[[Channel], object] | None = None) -> Channel: ...
    def fileno(self) -> int: ...
    def look(self) -> None: ...

@final
class Operation:
    def cancel(self, future: Future[Any]) -> None: ...

@final
class LateVerdict:
    @overload
    def wait(self, timeout: float | None, way: None = None) -> Receipt | None: ...
    @overload
    def wait(self, timeout: float | None, way: _Way) -> Operation: ...

@final
class TokenRequest:
    @property
    def refresh(self) -> bool: ...
    def answer(self, token: str) -> None: ...
    def refuse(self, reason: str) -> None: ...

@final
class CertificateFile:
    @staticmethod
    def load(path: str, password: str | None) -> CertificateFile: ...
    @staticmethod
    def parse(content: bytes, password: str | None) -> CertificateFile: ...
    def chain(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def in_order(self) -> bool: ...
    @property
    def has_key(self) -> bool: ...
    @property
    def key_matches(self) -> bool | None: ...
    def judge(
        self, host: str, at: float | None, trust: list[str], trust_pem: list[bytes]
    ) -> str: ...
    def to_pem(self, with_key: bool) -> str: ...
    def to_pfx(self, password: str, legacy: bool) -> bytes: ...

@final
class Rehearsal:
    def __new__(cls, options: str) -> Rehearsal: ...
    @property
    def listening(self) -> str: ...
    def request(self, request: str) -> str: ...
    def stop(self) -> None: ...

@final
class Receipt:
    """Proof that the server took responsibility for a message. Immutable."""

    @property
    def message_id(self) -> str:
        """The Message-ID, in angle brackets."""
    @property
    def reply(self) -> Reply:
        """The server's reply to the message; its text often holds the queue id."""
    @property
    def accepted(self) -> tuple[str, ...]:
        """The recipients that the server accepted: at least one."""
    @property
    def rejected(self) -> tuple[Rejection, ...]:
        """The recipients that the server refused one by one. They get nothing."""
    @property
    def attempts(self) -> int:
        """How many connections it took: 1 unless there was a retry."""
    @property
    def server(self) -> str:
        """The address of the server that took it, as "ip:port"."""
    @property
    def leaf(self) -> str | None:
        """The SHA-256 of the certificate that the server had shown; None in plain text."""
    @property
    def json(self) -> str:
        """All of it as JSON: schema "everpost.receipt/1"."""
    def to_dict(self) -> dict[str, Any]:
        """All of it as a dictionary."""
    @staticmethod
    def from_json(text: str) -> Receipt:
        """Make a receipt of what ``json`` gave."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __reduce__(self) -> tuple[Callable[[str], Receipt], tuple[str]]: ...
