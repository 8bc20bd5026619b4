"""Certificates for tests, made by openssl: an authority of one's own, and servers and clients that it vouches for."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Files with a certificate and its key, both PEM."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class CertificateAuthority:
    """Vouches for names; its own certificate is at `certificate`."""

    def __init__(self, directory: Path, name: str = "authority of a test") -> None:
        self._directory = directory
        self._key = directory / "authority.key"
        self.certificate = directory / "authority.crt"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )

    def vouch(self, name: str, *alternatives: str) -> Pair:
        """Return a certificate for `name`, for servers known as `alternatives` like DNS:localhost or IP:127.0.0.1."""
        key, request = self._directory / f"{name}.key", self._directory / f"{name}.csr"
        extensions, certificate = self._directory / f"{name}.ext", self._directory / f"{name}.crt"
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\n" if alternatives else "")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={name}", "-keyout", key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", "2", "-extfile", extensions, "-out", certificate),
        )
        return Pair(certificate, key)

    def lock(self, pair: Pair, password: str) -> Pair:
        """Return `pair` with a key that needs a password."""
        key = pair.key.with_suffix(".locked")
        _openssl("pkey", "-in", pair.key, "-aes256", "-passout", f"pass:{password}", "-out", key)
        return Pair(pair.certificate, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
