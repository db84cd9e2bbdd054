"""Certificate files: what is in them, and whether they will do."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from everpost import _native
from everpost._options import roots
from everpost.reports import Certificate, CertificateReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from everpost._options import Path, Trust

__all__ = ["CertificateFile"]


class CertificateFile:
    """Certificates and perhaps a key, out of a PEM, DER or PFX file. Immutable.

    The key is in memory for as long as the object lives, and is never shown.
    """

    __slots__ = ("_native",)

    def __init__(self, path: Path, password: str | None = None) -> None:
        """Read a file.

        Args:
            path: Its path.
            password: Of a PFX file, or of an encrypted key.

        Raises:
            ConfigError: It cannot be read, holds no certificate, or the
                password does not open it.

        """
        self._native = _native.CertificateFile.load(os.fspath(path), password)

    @classmethod
    def parse(cls, content: bytes, password: str | None = None) -> CertificateFile:
        """Read the content of a file."""
        file = cls.__new__(cls)
        file._native = _native.CertificateFile.parse(content, password)
        return file

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates: the server's own first, each followed by its issuer."""
        return tuple(map(Certificate._read, json.loads(self._native.chain())))

    @property
    def leaf(self) -> Certificate:
        """The server's own certificate."""
        return self.certificates[0]

    @property
    def format(self) -> str:
        """What it was read as: "pem", "der" or "pfx"."""
        return self._native.format

    @property
    def in_order(self) -> bool:
        """Whether the certificates stand in the order in which a server sends them."""
        return self._native.in_order

    @property
    def has_key(self) -> bool:
        """Whether a private key is in it."""
        return self._native.has_key

    @property
    def key_matches(self) -> bool | None:
        """Whether the key is that of the leaf; None without a key that can be compared."""
        return self._native.key_matches

    def judge(
        self,
        host: str,
        *,
        at: datetime | None = None,
        trust: Trust | Sequence[Trust] | None = None,
    ) -> CertificateReport:
        """Judge what a server that loads this file would show.

        Args:
            host: The server's name.
            at: The moment of the visit; now unless given. A naive one is local.
            trust: Whom to trust: "system", "mozilla" or files.

        Raises:
            ConfigError: The roots cannot be loaded.

        """
        when = None if at is None else at.timestamp()
        return CertificateReport._parse(self._native.judge(host, when, *roots(trust)))

    def to_pem(self, *, with_key: bool = False) -> str:
        """The certificates as PEM, with ``with_key`` after their key.

        Raises:
            ValueError: There is no key.

        """
        if with_key and not self.has_key:
            raise ValueError("there is no private key in the file")
        return self._native.to_pem(with_key)

    def to_pfx(self, password: str, *, legacy: bool = False) -> bytes:
        """The certificates and the key as a PFX file.

        Args:
            password: What protects it.
            legacy: Whether old Windows and Java must read it: a weak protection.

        Raises:
            ConfigError: The password has characters that a PFX cannot have.

        """
        return self._native.to_pfx(password, legacy)

    def __repr__(self) -> str:
        key = ", with a key" if self.has_key else ""
        return f"<CertificateFile {self.leaf}{key}>"
