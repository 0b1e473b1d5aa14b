"""`manage.py ensure_administrator`: the first administrator, with the password of KAITOWEB_ADMIN_PASSWORD (or its _FILE).

There is no default password. Once somebody administers, the password is theirs: it is set again only when asked for.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, password_validation
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

NAME = "admin"


class Command(BaseCommand):
    help = "Create the user `admin` with the password of KAITOWEB_ADMIN_PASSWORD, unless somebody administers already."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reset-password", action="store_true", help="set the password of `admin` again"
        )

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        people = get_user_model().objects
        somebody_administers = people.filter(is_superuser=True, is_active=True).exists()
        if somebody_administers and not options["reset_password"]:
            return
        password = settings.KAITOWEB_ADMIN_PASSWORD
        if not password:
            raise CommandError(
                "Nobody administers kaitoweb yet, and KAITOWEB_ADMIN_PASSWORD (or KAITOWEB_ADMIN_PASSWORD_FILE) is not set."
            )
        user, _ = people.get_or_create(
            username=NAME, defaults={"is_staff": True, "is_superuser": True}
        )
        if not user.check_password(password):
            _set_password(user, password)
        if not somebody_administers:
            user.is_active = user.is_staff = user.is_superuser = True
            user.save(update_fields=["is_active", "is_staff", "is_superuser"])


def _set_password(user: User, password: str) -> None:
    """Weak ones are refused where others can reach it; `make run` opens nothing beyond this machine."""
    if not settings.KAITOWEB_EMBEDDED:
        try:
            password_validation.validate_password(password, user)
        except ValidationError as error:
            raise CommandError(f"KAITOWEB_ADMIN_PASSWORD: {' '.join(error.messages)}") from error
    user.set_password(password)
    user.save(update_fields=["password"])
