"""The image without a container: the Dockerfile's steps are carried out in a folder, and its processes started there.

They run without any capability and may write to nothing but the image's /tmp, as in the read-only container, with the
commands, variables and mounted secrets of docker-compose.yml, on a real PostgreSQL and a real Valkey.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.deploy import dockerfile
from tests.faults import compose
from tests.faults.brokers import Valkey
from tests.faults.building import free_port
from tests.faults.databases import PASSWORD, Postgres
from tests.faults.processes import Process, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SECRETS = {
    "secret_key": "k3y-" + "".join(f"{n:02d}Ab" for n in range(20)),
    "database_password": PASSWORD,
    "valkey_password": Valkey.PASSWORD,
    "admin_password": "correct $horse #battery",
}


@pytest.fixture(scope="module")
def folder():
    """Other users may enter it, as they may not enter pytest's."""
    path = Path(tempfile.mkdtemp(prefix="kaitoweb-image-"))
    path.chmod(0o755)
    yield path
    subprocess.run(["chmod", "-R", "u+w", path], check=True)
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def image(folder):
    try:
        image = dockerfile.build(folder)
    except subprocess.CalledProcessError as error:
        offline = "error sending request" in error.stderr or "No matching" in error.stderr
        if offline and not os.environ.get("CI"):
            pytest.skip("The locked packages are neither in the cache nor to be fetched.")
        raise AssertionError(error.stderr) from error
    for name in ("app", "opt"):
        subprocess.run(["chmod", "-R", "a-w", image.root / name], check=True)
    return image


class Machine:
    """What compose would start around the image."""

    def __init__(self, folder, image):
        self.folder, self.image, self.port = folder, image, free_port()
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        for name, value in SECRETS.items():
            (self.secrets / name).write_text(value + "\n")
        self.services = compose.services(
            {"ALLOWED_HOSTS": "kaitoweb.example", "KAITOWEB_TRUSTED_PROXIES": "127.0.0.1"}
        )
        self.postgres = Postgres(folder / "postgres", free_port())
        self.valkey = Valkey(
            folder / "valkey", free_port(), service=self.services["valkey"], secrets=self.secrets
        )
        self.processes = []

    def process(self, name, command=(), **more):
        service = self.services[name]
        changes = {
            "@postgres:5432": f"@127.0.0.1:{self.postgres.port}",
            "//valkey:6379": f"//127.0.0.1:{self.valkey.port}",
            "--host=0.0.0.0": "--host=127.0.0.1",
            "--port=8000": f"--port={self.port}",
        }
        words, *values = (
            compose.placed(given, secrets=self.secrets, changes=changes)
            for given in (command or service.command, tuple(service.environment.values()))
        )
        environment = dict(zip(service.environment, values[0], strict=True))
        made = Process(
            name,
            [*powerless(), "env", "-C", str(self.image.inside(".")), *words],
            folder=self.folder,
            environment=self.image.environment
            | environment
            | {"KAITOWEB_PORT": str(self.port)}
            | more,
        )
        self.processes.append(made)
        return made

    def alive(self, name):
        check = ("python", "-m", "kaitoweb.alive", name)
        result = subprocess.run(
            check,
            cwd=self.image.inside("."),
            env=self.image.environment | {"KAITOWEB_PORT": str(self.port)},
            capture_output=True,
            text=True,
            timeout=10,
        )
        return result.stderr.strip() or result.returncode == 0


def powerless():
    """Root without capabilities is held by the permissions of files, as anybody else is."""
    if os.getuid() != 0:
        return ()
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


@pytest.fixture(scope="module")
def machine(folder, image):
    machine = Machine(folder, image)
    machine.postgres.create()
    machine.valkey.start()
    machine.process("migrate").run()
    for name in ("web", "worker", "beat"):
        machine.process(name).start()
    wait_until(lambda: machine.alive("web") is True, what="the web is alive")
    yield machine
    for process in reversed(machine.processes):
        # Which the web's own children hear of; nobody would tell them of SIGKILL.
        process.kill(signal.SIGTERM)
    machine.valkey.stop()
    machine.postgres.process.kill()


def test_image_holds_the_product_and_no_secret_tests_or_compiler(image):
    root = image.root
    assert sorted(p.name for p in (root / "opt").iterdir()) == ["kaitoweb"]
    assert {p.name for p in (root / "app").iterdir()}.isdisjoint(
        {".git", ".state", "tests", "docs"}
    )
    assert list(root.rglob("secret-key")) == []
    assert list(root.rglob("pytest")) == []
    assert list((root / "app" / "collected").glob("staticfiles.json")) != []
    assert list((root / "app" / "kaitoweb" / "__pycache__").glob("settings.*.pyc")) != []
    assert image.user == "10001:10001"


def test_image_starts_as_compose_starts_it(machine):
    for name in ("web", "worker", "beat"):
        wait_until(lambda n=name: machine.alive(n) is True, what=f"{name} is alive")
    ready = httpx.get(f"http://127.0.0.1:{machine.port}/readyz", trust_env=False).json()

    assert ready == {
        "ready": True,
        "parts": dict.fromkeys(("database", "migrations", "broker", "watcher"), "ok"),
    }


def sign_in(url):
    """As a browser behind the proxy."""
    headers = {"Host": "kaitoweb.example", "X-Forwarded-Proto": "https"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        page = client.get("/sign-in/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        cookies = "; ".join(f"{name}={value}" for name, value in page.cookies.items())
        return client.post(
            "/sign-in/",
            data={
                "username": "admin",
                "password": SECRETS["admin_password"],
                "csrfmiddlewaretoken": token,
            },
            headers={"Cookie": cookies, "Origin": "https://kaitoweb.example"},
        )


def test_image_lets_the_first_administrator_in(machine):
    answer = sign_in(f"http://127.0.0.1:{machine.port}")
    assert (answer.status_code, answer.headers.get("Location")) == (302, "/workspaces/")
    assert "__Host-sessionid" in answer.headers["Set-Cookie"]


def test_image_sends_browsers_that_come_without_tls_away(machine):
    headers = {"Host": "kaitoweb.example"}
    answer = httpx.get(f"http://127.0.0.1:{machine.port}/", headers=headers, trust_env=False)
    assert answer.headers["Location"] == "https://kaitoweb.example/"


def test_image_passes_the_checks_of_deployment(machine):
    check = machine.process(
        "migrate", ("python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    )
    check.run()
    assert "no issues" in check.text()


def test_image_says_which_secret_is_missing(machine):
    missing = machine.folder / "no-such-secret"
    process = machine.process(
        "beat", ("python", "manage.py", "check"), SECRET_KEY_FILE=str(missing)
    )
    process.start()
    wait_until(lambda: not process.lives, what="manage.py ends")
    words = f"SECRET_KEY_FILE names {missing}, which cannot be read: No such file or directory."
    assert any(
        line.endswith(words) for line in process.text().splitlines()
    )  # beat writes there too
