"""The diary's line about one prompt: who asked which model, when, how long it took. Never a word of what was said.

No hash of it either: short prompts can be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections, transaction

import audit.services
from accounts.people import Caller
from audit.types import Outcome, Target
from playground.routes import Route
from playground.types import Numbers
from workspaces.models import Workspace
from workspaces.types import Dialect

STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One prompt of one person to one workspace."""

    by: Caller
    workspace: Workspace
    dialect: Dialect
    route: Route | None

    @property
    def target(self) -> Target:
        workspace = self.workspace
        return Target(
            kind="Workspace",
            cluster=workspace.cluster.name,
            namespace=workspace.namespace,
            name=workspace.name,
            uid=workspace.uid,
        )


def record_run(run: Run, numbers: Numbers, *, error: str = "", stopped: bool = False) -> None:
    """Also called when the request is over for Django: so it gives its database connection back itself."""
    try:
        with transaction.atomic():
            audit.services.record(
                actor=run.by.actor,
                action="prompt.run",
                outcome=Outcome.FAILED if error else Outcome.SUCCEEDED,
                target=run.target,
                detail=_detail(run, numbers, error=error, stopped=stopped),
                duration_ms=numbers.total_ms,
            )
    finally:
        connections.close_all()


def _detail(run: Run, numbers: Numbers, *, error: str, stopped: bool) -> dict[str, object]:
    known = {
        "dialect": run.dialect.value,
        "first_token_ms": numbers.first_token_ms,
        "prompt_tokens": numbers.prompt_tokens,
        "tokens": numbers.tokens,
        "finish": STOPPED if stopped else numbers.finish,
        "error": error,
    }
    return {key: value for key, value in known.items() if value not in (None, "")}
