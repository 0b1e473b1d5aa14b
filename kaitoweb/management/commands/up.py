"""`manage.py up`: the whole program on embedded defaults; what `make run` calls.

Starts the broker, the sandbox with its model (or connects KAITOWEB_KUBECONFIG), worker with watcher, beat and web,
and stops all of it on SIGINT, SIGTERM or SIGHUP.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from kaitoweb import starting, supervising


class Command(BaseCommand):
    help = "Start everything on embedded defaults."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        state = settings.KAITOWEB_STATE
        port = starting.wanted_port()
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        with starting.only_one(state, port):
            starting.check_port_is_free(port)
            plan = starting.Plan(state=state, port=port, password=starting.admin_password(state))
            failure = asyncio.run(_run(plan))
        if failure:
            raise CommandError(failure)


async def _run(plan: starting.Plan) -> str:
    """Runs until a signal or a failure; the failure's words, or nothing."""
    supervisor = supervising.Supervisor(write=_write, colour=sys.stdout.isatty())
    work = asyncio.create_task(_start_and_watch(plan, supervisor))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        _write("Stopping …")
    except (supervising.ChildFailed, starting.NotReady) as error:
        return str(error)
    finally:
        await supervisor.stop()
        starting.remove_sockets(plan.state)
        _write("Stopped.")
    return ""


async def _start_and_watch(plan: starting.Plan, supervisor: supervising.Supervisor) -> None:
    begun = time.monotonic()
    failure = asyncio.create_task(supervisor.failure())
    start = asyncio.create_task(starting.start(plan, supervisor, say=_write))
    try:
        await asyncio.wait({failure, start}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
            _write(f"Started in {time.monotonic() - begun:.1f} s.")
            _write(
                f"kaitoweb is ready at {plan.url}  sign in as admin with password {plan.password}"
            )
        await failure
    finally:
        start.cancel()
        failure.cancel()


def _write(line: str) -> None:
    """A closed terminal must not stop the stopping."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
