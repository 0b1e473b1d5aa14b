"""`manage.py verify_audit`: does the audit chain hold? Exit code 1, and the places, if not."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import services
from audit.models import Entry


class Command(BaseCommand):
    help = "Check that no audit entry was changed, removed or put in."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        found = services.verify()
        for broken in found:
            self.stderr.write(f"#{broken.seq}: {broken.what}")
        if found:
            raise CommandError(f"The audit chain is broken in {len(found)} place(s).")
        self.stdout.write(f"The audit chain holds: {Entry.objects.count()} entries.")
