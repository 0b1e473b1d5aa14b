"""What happens when somebody asks for what they may not do: it is recorded, then refused."""

from __future__ import annotations

from typing import NoReturn

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest

import audit.services
from accounts.people import Caller, caller
from audit.types import Outcome, Target


def record_refusal(by: Caller, action: str, target: Target, *, reason: str = "") -> None:
    """Leave one REFUSED entry, in a transaction of its own."""
    with transaction.atomic():
        audit.services.record(
            actor=by.actor,
            action="access.refused",
            outcome=Outcome.REFUSED,
            target=target,
            detail={"wanted": action, "why": reason},
        )


def refuse(
    request: HttpRequest,
    action: str,
    target: Target = Target(),
    *,
    reason: str = "",
) -> NoReturn:
    """Record that the person of `request` wanted `action`, then raise PermissionDenied with words for the page."""
    record_refusal(caller(request), action, target, reason=reason)
    raise PermissionDenied(reason or "Your account may look, but not change anything here.")
