"""Certificates for tests, made by openssl: an authority, and what it signs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

KEY_PASSWORD = "canary-key-password"


@dataclass(frozen=True)
class Certificate:
    """PEM files; `both` is key and certificate in one, as Kafka takes them."""

    certificate: Path
    key: Path
    both: Path

    @property
    def encrypted_key(self) -> Path:
        """The key under KEY_PASSWORD."""
        path = self.key.with_suffix(".encrypted")
        _openssl("pkcs8", "-topk8", "-in", self.key, "-passout", f"pass:{KEY_PASSWORD}", "-out", path)
        return path


class Authority:
    """Signs certificates, whose files are in `folder`; its own is `certificate`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._new_key(self._key, "authority", "-x509", "-out", self.certificate)

    def sign(self, name: str, hosts: str = "", days: int = 2) -> Certificate:
        """For the common name `name` and the hosts `hosts`; with `days` below 0 it has expired."""
        key, request, certificate, both = (
            self._folder / f"{name}.{kind}" for kind in ("key", "csr", "pem", "both")
        )
        self._new_key(key, name, "-out", request)
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={hosts}\n" if hosts else "")
        signing = ["-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", str(days)]
        _openssl("x509", "-req", "-in", request, "-out", certificate, "-extfile", extensions, *signing)
        both.write_text(key.read_text() + certificate.read_text())
        return Certificate(certificate, key, both)

    @staticmethod
    def _new_key(key: Path, name: str, *what: str | Path) -> None:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        _openssl("req", *curve, "-keyout", key, "-subj", f"/CN={name}", *what)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
