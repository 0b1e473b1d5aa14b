"""Secrets of cluster connections: sealed for the database, and as files for TLS where there is no other way.

Never logs, never puts a secret into an error message.
"""

from __future__ import annotations

import atexit
import base64
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from clusters.errors import Denied

Secrets = dict[str, str]  # token, client_certificate_pem, client_key_pem


class Unsealable(Denied):
    """Sealed under another SECRET_KEY, altered, or too old: the cluster must be connected anew."""


class CertificateFiles(NamedTuple):
    certificate: str
    key: str


def seal(secrets: Secrets) -> str:
    return _fernet(settings.SECRET_KEY).encrypt(orjson.dumps(secrets)).decode()


def unseal(sealed: str, *, max_age_s: int | None = None) -> Secrets:
    """What was sealed; nothing sealed is no secrets. Raises Unsealable."""
    if not sealed:
        return {}
    try:
        opened: Secrets = orjson.loads(
            _fernet(settings.SECRET_KEY).decrypt(sealed.encode(), ttl=max_age_s)
        )
    except InvalidToken as error:
        words = "The stored credentials cannot be opened; was SECRET_KEY changed?"
        raise Unsealable("Unsealable", words) from error
    return opened


@cache
def _fernet(secret_key: str) -> Fernet:
    derived = HKDF(
        algorithm=SHA256(), length=32, salt=None, info=b"kaitoweb/clusters/credentials/1"
    )
    return Fernet(base64.urlsafe_b64encode(derived.derive(secret_key.encode())))


def certificate_files(secrets: Secrets) -> CertificateFiles | None:
    """The client certificate as files: Python's TLS reads them from nowhere else. Removed when the process ends."""
    certificate, key = secrets.get("client_certificate_pem", ""), secrets.get("client_key_pem", "")
    if not certificate or not key:
        return None
    return _written(certificate, key, os.getpid())


@cache
def _written(certificate: str, key: str, pid: int) -> CertificateFiles:
    folder = Path(tempfile.mkdtemp(prefix="kaitoweb-"))  # 0700
    atexit.register(_remove, folder, pid)
    return CertificateFiles(
        _write(folder / "tls.crt", certificate), _write(folder / "tls.key", key)
    )


def _write(path: Path, text: str) -> str:
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a forked child runs the parent's exit handlers too
        shutil.rmtree(folder, ignore_errors=True)
