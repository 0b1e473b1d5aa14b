"""`manage.py ensure_administrator`: the first administrator of `make run`, made once, with the password in the environment."""

from __future__ import annotations

import os
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Create the user `admin`, or set its password, from KAITOWEB_ADMIN_PASSWORD."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        password = os.environ.get("KAITOWEB_ADMIN_PASSWORD", "")
        if not password:
            raise CommandError("KAITOWEB_ADMIN_PASSWORD is not set.")
        user, _ = get_user_model().objects.get_or_create(
            username="admin", defaults={"is_staff": True, "is_superuser": True}
        )
        if not user.check_password(password):
            user.set_password(password)
            user.save(update_fields=["password"])
