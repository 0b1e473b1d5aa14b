"""The bootstep: starts with the worker's pool, and ends before the pool is drained, so that another worker watches on."""

from __future__ import annotations

from celery import bootsteps

from workspaces.watcher.supervising import Supervisor


class WatchStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Register with `app.steps["worker"].add(WatchStep)`.

    https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: object, **options: object) -> None:
        super().__init__(worker, **options)
        self.supervisor: Supervisor | None = None

    def start(self, worker: object) -> None:
        self.supervisor = Supervisor()
        self.supervisor.start()

    def stop(self, worker: object) -> None:
        if self.supervisor:
            self.supervisor.stop()
            self.supervisor = None

    terminate = stop
