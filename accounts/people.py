"""Who may do what, in one place, and who is calling.

Today's rule: who is signed in reads, staff changes, superusers administer. Roles per cluster and namespace
replace the bodies of these functions; no view, query or verb knows the rule itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db.models import Q
from django.http import HttpRequest

from audit.types import Actor

Person = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Caller:
    """A person together with where the request came from; verbs take it as `by`."""

    person: User
    source_ip: str = ""
    request_id: str = ""

    @property
    def actor(self) -> Actor:
        return Actor(
            key=person_key(self.person),
            name=self.person.get_username(),
            source_ip=self.source_ip,
            request_id=self.request_id,
        )


def caller(request: HttpRequest) -> Caller:
    """The signed-in person of `request`. Behind login_required only."""
    return Caller(
        person=request.user,  # type: ignore[arg-type]
        source_ip=request.META.get("REMOTE_ADDR", ""),
        request_id=getattr(request, "id", ""),
    )


def person_key(person: AbstractBaseUser) -> str:
    """Opaque id for annotations and audit; no name, no mail address."""
    return f"u{person.pk}"


def may_read(person: Person, *, cluster: object = None, namespace: str = "") -> bool:
    return bool(person.is_authenticated and person.is_active)


def may_change(person: Person, *, cluster: object = None, namespace: str = "") -> bool:
    return may_read(person) and bool(getattr(person, "is_staff", False))


def may_administer(person: Person) -> bool:
    return may_read(person) and bool(getattr(person, "is_superuser", False))


def readable(person: Person, *, cluster: str = "cluster", namespace: str = "namespace") -> Q:
    """Predicate for rows that `person` may read; the arguments name the row's columns."""
    return Q() if may_read(person) else Q(pk__in=[])
