"""Makes the parts of a stack in one folder: secrets as files, servers, and the processes of docker-compose.yml."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from tests.faults import compose
from tests.faults.brokers import Valkey
from tests.faults.browsing import HF_TOKEN
from tests.faults.databases import PASSWORD, Postgres
from tests.faults.processes import Process, wait_until
from tests.wires import Wire

HOST = "127.0.0.1"
WORKERS = ("worker-1", "worker-2")
# A third of the defaults: what is waited for is shorter, in the same order.
TIMES = {
    "KAITOWEB_LEASE_S": "3",
    "KAITOWEB_OPERATION_STALE_S": "3",
    "KAITOWEB_DISPATCH_AFTER_S": "1",
}
# What a container would give, or what docker-compose.yml leaves to its user.
VARIABLES = {
    "ALLOWED_HOSTS": HOST,
    "KAITOWEB_TRUSTED_PROXIES": "127.0.0.0/8",
    "WEB_CONCURRENCY": "1",
}
AS_ROOT = "ignore:You're running the worker with superuser"  # which in a container it is not


class Building:
    """`options` are more of the program's environment."""

    def __init__(self, folder: Path, options: Mapping[str, str]) -> None:
        self.folder, self._options = folder, dict(options)
        self.port = free_port()  # of the web
        self._services = compose.services(VARIABLES)
        self._secrets = folder / "secrets"
        values = self._write_secrets()
        self.admin_password = values["admin_password"]
        self.canaries = {"Hugging Face token": HF_TOKEN, **values}

    def _write_secrets(self) -> dict[str, str]:
        """As docker-compose.yml mounts them; what is in them must be found nowhere else."""
        self._secrets.mkdir(mode=0o700)
        values = {
            "secret_key": secrets.token_urlsafe(48),
            "database_password": PASSWORD,
            "valkey_password": Valkey.PASSWORD,
            "admin_password": secrets.token_urlsafe(16),
        }
        for name, value in values.items():
            (self._secrets / name).write_text(value + "\n")
        return values

    def postgres(self) -> Postgres:
        port = free_port()
        return Postgres(self.folder / f"postgres-{port}", port)

    def valkey(self) -> Valkey:
        port, service = free_port(), self._services["valkey"]
        folder = self.folder / f"valkey-{port}"
        return Valkey(folder, port, service=service, secrets=self._secrets)

    def sandbox(self, speed: float) -> Sandbox:
        state = self.folder / "sandbox-state"
        state.mkdir()
        command = ["python", "manage.py", "sandbox", "--state", str(state), "--knobs", "--no-seed"]
        process = Process(
            "sandbox",
            [*command, "--port", str(free_port()), "--speed", str(speed)],
            folder=self.folder,
            environment=self._surroundings() | {"KAITOWEB_STATE": str(state)},
        )
        return Sandbox(process, state / "sandbox")

    def process(
        self, name: str, service_name: str, wires: Mapping[str, Wire], *words: str
    ) -> Process:
        """One of a service: with its own command, or with `words` for that."""
        service = self._services[service_name]
        changes = {
            "@postgres:5432": f"@{HOST}:{wires['postgres'].address[1]}",
            "//valkey:6379": f"//{HOST}:{wires['valkey'].address[1]}",
            "--host=0.0.0.0": f"--host={HOST}",
            "--port=8000": f"--port={self.port}",
        }
        given = {
            key: compose.placed_word(value, secrets=self._secrets, changes=changes)
            for key, value in service.environment.items()
        }
        command = compose.placed(words or service.command, secrets=self._secrets, changes=changes)
        if name in WORKERS:  # a container has a host name of its own
            command.append(f"--hostname={name}@%h")
        environment = self._surroundings() | given | TIMES | self._options
        return Process(name, command, folder=self.folder, environment=environment)

    def _surroundings(self) -> dict[str, str]:
        ours = ("KAITOWEB_", "DJANGO_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        return inherited | {
            "PATH": compose.search_path(os.environ["PATH"]),
            "KAITOWEB_STATE": str(self.folder / "state"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": AS_ROOT,
        }


class Sandbox:
    """The cluster: its process, and an administrator's way into it."""

    def __init__(self, process: Process, folder: Path) -> None:
        self.process, self._folder = process, folder
        self.url, self.token = "", ""
        self.context: ssl.SSLContext | None = None

    def start(self) -> Sandbox:
        """Its kubeconfigs are written when it answers."""
        self.process.start()
        product = self._folder / "kubeconfig-kaitoweb"
        wait_until(product.exists, what=f"the sandbox: {self.process.text()}")
        read = YAML(typ="safe").load((self._folder / "kubeconfig").read_text())
        cluster = read["clusters"][0]["cluster"]
        self.url, self.token = cluster["server"], read["users"][0]["user"]["token"]
        pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=pem)
        return self

    @property
    def address(self) -> tuple[str, int]:
        return HOST, int(self.url.rpartition(":")[2])

    def kubeconfig(self, wire: Wire) -> tuple[str, str]:
        """The product's, by way of `wire`; and the token in it."""
        text = (self._folder / "kubeconfig-kaitoweb").read_text()
        token = YAML(typ="safe").load(text)["users"][0]["user"]["token"]
        return text.replace(self.url, f"https://{HOST}:{wire.address[1]}"), token


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
