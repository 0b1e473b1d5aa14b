"""What benchmarks share with the tests of faults: Django, and the whole program as in production."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from tests.faults.stack import Stack

IMAGE = {"MALLOC_ARENA_MAX": "2"}  # of its variables the one that matters here
TIMES = {
    "KAITOWEB_LEASE_S": "9",
    "KAITOWEB_OPERATION_STALE_S": "8",
    "KAITOWEB_DISPATCH_AFTER_S": "3",
}


def set_up() -> None:
    """Before tests' tools are imported."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()


@contextmanager
def production(*, speed: float = 100, **options: str) -> Iterator[Stack]:
    """The processes of docker-compose.yml on a real PostgreSQL and a real Valkey, with the times of production; `speed` is the sandbox's."""
    set_up()
    from tests.faults import stack as stacks

    with stacks.running(speed=speed, **(IMAGE | TIMES | options)) as stack:
        yield stack


def admin(stack: Stack) -> httpx.Client:
    """Somebody with kubectl."""
    headers = {"Authorization": f"Bearer {stack.sandbox.token}"}
    return httpx.Client(
        base_url=stack.sandbox.url,
        headers=headers,
        verify=stack.sandbox.context,
        trust_env=False,
        timeout=30,
    )
