"""Receivers that put sign-ins, failed sign-ins and sign-outs into the audit, whichever page they came from."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model, signals
from django.contrib.auth.models import User
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

import audit.services
from accounts.people import Caller, person_key
from audit.types import Actor, Outcome, Target


def _actor(request: HttpRequest | None, *, key: str, name: str) -> Actor:
    if request is None:
        return Actor(key=key, name=name)
    return Actor(
        key=key,
        name=name,
        source_ip=request.META.get("REMOTE_ADDR", ""),
        request_id=getattr(request, "id", ""),
    )


def _record(actor: Actor, action: str, outcome: Outcome) -> None:
    with transaction.atomic():
        audit.services.record(
            actor=actor, action=action, outcome=outcome, target=Target(kind="User", name=actor.name)
        )


@receiver(signals.user_logged_in)
def record_sign_in(request: HttpRequest, user: User, **_: Any) -> None:  # noqa: ANN401
    actor = _actor(request, key=person_key(user), name=user.get_username())
    _record(actor, "sign-in", Outcome.SUCCEEDED)


@receiver(signals.user_login_failed)
def record_failed_sign_in(
    credentials: dict[str, Any],
    request: HttpRequest | None = None,
    **_: Any,  # noqa: ANN401
) -> None:
    """The name is kept only if an account has it: people type passwords into the wrong field."""
    typed = str(credentials.get("username", ""))
    known = get_user_model().objects.filter(username=typed).first()
    key, name = (person_key(known), typed) if known else ("", "(unknown name)")
    _record(_actor(request, key=key, name=name), "sign-in", Outcome.REFUSED)


@receiver(signals.user_logged_out)
def record_sign_out(request: HttpRequest, user: User | None, **_: Any) -> None:  # noqa: ANN401
    if user is not None:
        by = Caller(user, request.META.get("REMOTE_ADDR", ""), getattr(request, "id", ""))
        _record(by.actor, "sign-out", Outcome.SUCCEEDED)
