"""The Celery application. Messages carry ids only; the database says what they mean."""

from __future__ import annotations

import os
from typing import Any

import kombu
from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import after_task_publish, beat_init, task_postrun

from kaitoweb.alive import leave_sign

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kaitoweb.settings")


def broker_url(redis_url: str) -> str:
    """kombu's spelling of a unix socket differs from redis-py's."""
    if redis_url.startswith("unix://"):
        return f"redis+socket://{redis_url.removeprefix('unix://')}"
    return redis_url


class _Connection(kombu.Connection):
    """Looks for a lost broker every few seconds; Celery would after a while look every thirty, and has no setting."""

    def ensure_connection(self, *args: Any, **options: Any) -> kombu.Connection:  # noqa: ANN401 - kombu's arguments
        often = {"interval_start": 1, "interval_step": 1, "interval_max": 3}  # s
        return super().ensure_connection(*args, **{**often, **options})


class _Amqp(AMQP):
    Connection = _Connection


app = Celery("kaitoweb", amqp=_Amqp)
app.steps["worker"].add(
    "workspaces.watcher.step:WatchStep"
)  # by name: its models need the app registry


@app.on_configure.connect  # settings are read when first needed, not at import
def _configure(sender: Celery, **_: object) -> None:
    from django.conf import settings  # noqa: PLC0415 - the settings module may not be ready at import

    sender.conf.update(
        broker_url=broker_url(settings.REDIS_URL),
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": 120,  # s; longer than any task, unless the database is away, when twice does no harm
            "unacked_restore_interval": 1,  # with the next line: redelivery in seconds, not after a hundred
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,  # s; a publisher must not wait for ever on a dead broker
            "socket_connect_timeout": 2,  # s
            "socket_keepalive": True,
            "health_check_interval": 10,  # s
            "global_keyprefix": "kaitoweb:",
        },
        broker_transport="redis",
        result_backend=None,
        task_ignore_result=True,
        task_publish_retry=False,  # the row stays queued and the sweep sends it again
        task_serializer="json",
        accept_content=["json"],
        task_default_queue="kaitoweb",
        task_time_limit=None,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
        beat_schedule={
            "sweep-operations": {
                "task": "workspaces.sweep_operations",
                "schedule": 2.0,
                "options": {"expires": 4},
            },
        },
    )


app.autodiscover_tasks()


@task_postrun.connect
def _worked(**_: object) -> None:
    leave_sign("worker")


@beat_init.connect
def _watch_beat(**_: object) -> None:
    after_task_publish.connect(_sent)


def _sent(**_: object) -> None:
    leave_sign("beat")
