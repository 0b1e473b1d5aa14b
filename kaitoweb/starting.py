"""What `manage.py up` starts, in which order, and what it waits for."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis.asyncio
from django.conf import settings
from django.core.management.base import CommandError

from kaitoweb import embedded
from kaitoweb.supervising import Child, Supervisor

START_LIMIT_S = 90.0
SANDBOX_NAME = "sandbox"


class NotReady(Exception):
    """Something did not come up in time; the text is for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    state: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def kubeconfig(self) -> str:
        """Of the cluster to connect instead of the sandbox; never taken from a plain KUBECONFIG."""
        return os.environ.get("KAITOWEB_KUBECONFIG", "")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KAITOWEB_EMBEDDED": "1",
            "KAITOWEB_STATE": str(self.state),
            "KAITOWEB_ADMIN_PASSWORD": self.password,
            "PYTHONUNBUFFERED": "1",
            "MALLOC_ARENA_MAX": "2",  # as in the image
            "DJANGO_SETTINGS_MODULE": "kaitoweb.settings",
        }

    def manage(self, name: str, *arguments: str) -> Child:
        return Child(name, [sys.executable, "manage.py", *arguments], self.environment)

    def celery(self, name: str, *arguments: str) -> Child:
        # The warning about root is for machines that serve others; `make run` opens nothing beyond loopback.
        quiet = ("-W", "ignore:You're running the worker with superuser")
        command = [sys.executable, *quiet, "-m", "celery", "-q", "-A", "kaitoweb", *arguments]
        return Child(name, command, self.environment)


def wanted_port() -> int:
    text = os.environ.get("KAITOWEB_PORT", "8000")
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise CommandError(f"KAITOWEB_PORT is {text!r}: it must be a number from 1 to 65535.")
    return int(text)


def admin_password(state: Path) -> str:
    """From the environment, else made at random once and kept in the state folder (0600)."""
    given = os.environ.get("KAITOWEB_ADMIN_PASSWORD", "")
    return given or embedded.kept_secret(state / "admin-password", length=12)


@contextlib.contextmanager
def only_one(state: Path, port: int) -> Iterator[None]:
    """Holds the state folder's lock. Raises CommandError if another `up` has it."""
    with (state / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise CommandError(
                f"kaitoweb is already running from {state} ({lock.read().strip() or 'starting'}). "
                "Stop it first, or set KAITOWEB_STATE and KAITOWEB_PORT to start a second one."
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, http://127.0.0.1:{port}/")
        lock.flush()
        yield
        lock.truncate(0)


def check_port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is taken by another program. Set KAITOWEB_PORT to a free one: KAITOWEB_PORT=8001 make run"
            ) from error


def remove_sockets(state: Path) -> None:
    path = embedded.valkey_socket(state)
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


async def start(plan: Plan, supervisor: Supervisor, *, say: Callable[[str], None]) -> None:
    """Everything, as much side by side as their needs allow. Raises NotReady or ChildFailed."""
    cluster = asyncio.create_task(_start_cluster(plan, supervisor, say))
    try:
        await asyncio.gather(_start_broker(plan, supervisor), _prepare(plan, supervisor, say))
        await _start_program(plan, supervisor)
        await cluster
    finally:
        cluster.cancel()
    await _connect(plan, supervisor, say)
    say("Waiting for the web, the worker and the first word of the cluster …")
    await _until(lambda: _answers(f"{plan.url}healthz"), "the web")
    await _until(lambda: _answers(f"{plan.url}readyz"), "the watcher")


async def _start_broker(plan: Plan, supervisor: Supervisor) -> None:
    path = embedded.valkey_socket(plan.state)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)  # of a run that was killed; the lock says that nobody uses it
    command = [
        *(str(embedded.valkey_binary()), "--port", "0", "--unixsocket", str(path)),
        *("--unixsocketperm", "700", "--save", "", "--appendonly", "no"),
        *("--dir", str(path.parent), "--loglevel", "warning"),
    ]
    await supervisor.start(
        Child("valkey", command, hides=("Memory overcommit", "signal-handler"), is_last=True)
    )

    async def pings() -> bool:
        async with redis.asyncio.Redis(unix_socket_path=str(path)) as client:
            return bool(await client.ping())

    await _until(pings, "Valkey")


async def _prepare(plan: Plan, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    say("Preparing the database and static files …")
    await supervisor.run_once(plan.manage("prepare", "prepare"))


async def _start_cluster(plan: Plan, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    if plan.kubeconfig:
        return
    say("Starting the sandbox cluster and its model …")
    models = _free_port()
    await supervisor.start(
        plan.manage(
            "model",
            "sandbox_model",
            *("--port", str(models), "--model", settings.KAITOWEB_SANDBOX_MODEL),
            *("--speed", str(settings.KAITOWEB_SANDBOX_SPEED)),
        )
    )
    folder = plan.state / "sandbox"
    for name in ("kubeconfig", "kubeconfig-kaitoweb"):  # its presence is the sign of readiness
        (folder / name).unlink(missing_ok=True)
    await supervisor.start(
        plan.manage(
            "sandbox",
            "sandbox",
            *("--state", str(plan.state), "--port", str(_kept_port(plan.state))),
            *("--speed", str(settings.KAITOWEB_SANDBOX_SPEED)),
            *("--kaito-version", settings.KAITOWEB_SANDBOX_KAITO_VERSION),
            *("--node-provisioner", settings.KAITOWEB_SANDBOX_NODE_PROVISIONER),
            *("--model-url", f"http://127.0.0.1:{models}"),
        )
    )

    async def is_written() -> bool:
        return (folder / "kubeconfig-kaitoweb").exists()

    await _until(is_written, "the sandbox")
    await _until(lambda: _answers(f"http://127.0.0.1:{models}/healthz"), "the sandbox's model")


async def _start_program(plan: Plan, supervisor: Supervisor) -> None:
    await supervisor.start(
        plan.celery(
            "worker",
            *("worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "warning"),
            *("--without-gossip", "--without-mingle"),
        )
    )
    schedule = str(plan.state / "run" / "beat-schedule")
    Path(schedule).parent.mkdir(exist_ok=True, mode=0o700)
    await supervisor.start(
        plan.celery(
            "beat",
            *("beat", "--schedule", schedule, "--pidfile", "", "--loglevel", "warning"),
        )
    )
    await supervisor.start(
        Child(
            "web",
            [
                *(sys.executable, "-m", "uvicorn", "kaitoweb.asgi:application"),
                *("--host", "127.0.0.1", "--port", str(plan.port), "--lifespan", "off"),
                *("--log-level", "warning", "--timeout-graceful-shutdown", "1"),
                *("--no-server-header", "--timeout-keep-alive", "30"),
                "--no-proxy-headers",  # there is none before it; anybody could write an address into the audit
            ],
            plan.environment,
            hides=("Service Unavailable: /readyz",),  # asked ten times a second while we wait
        )
    )


async def _connect(plan: Plan, supervisor: Supervisor, say: Callable[[str], None]) -> None:
    arguments = ["connect_cluster"]
    if plan.kubeconfig:
        say(f"Connecting the cluster of {plan.kubeconfig} …")
        context = os.environ.get("KAITOWEB_CONTEXT", "")
        arguments += [context or "cluster", "--kubeconfig", plan.kubeconfig, "--replace-sandbox"]
        arguments += ["--context", context] if context else []
    else:
        path = plan.state / "sandbox" / "kubeconfig-kaitoweb"
        arguments += [SANDBOX_NAME, "--kubeconfig", str(path), "--kind", "sandbox"]
    await supervisor.run_once(plan.manage("connect", *arguments))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kept_port(state: Path) -> int:
    """The sandbox's port of the run before, if it is still free, so that a kubectl beside it goes on working."""
    path = state / "sandbox" / "port"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(OSError, ValueError, CommandError):
        port = int(path.read_text())
        check_port_is_free(port)
        return port
    port = _free_port()
    path.write_text(str(port))
    return port


async def _answers(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=5) as client:  # noqa: S501 - plain http, loopback
        return (await client.get(url)).status_code == 200


async def _until(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        with contextlib.suppress(httpx.HTTPError, redis.RedisError, OSError):
            if await is_so():
                return
        await asyncio.sleep(0.1)
    raise NotReady(
        f"{what} did not answer within {START_LIMIT_S:.0f} s; its lines above may say why."
    )
