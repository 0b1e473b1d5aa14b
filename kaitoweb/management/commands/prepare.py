"""`manage.py prepare`: what must be there before anything serves: tables, the first administrator, static files.

One process instead of three, since each start of Django costs half a second. In production an image brings the static files.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Apply migrations, make the first administrator; in `make run` collect static files if they changed."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        call_command("migrate", verbosity=0)
        call_command("ensure_administrator", reset_password=settings.KAITOWEB_EMBEDDED)
        if settings.KAITOWEB_EMBEDDED:
            self._collect()

    def _collect(self) -> None:
        stamp, digest = settings.KAITOWEB_STATE / "static.stamp", _static_digest()
        if stamp.exists() and stamp.read_text() == digest:
            return
        self.stdout.write("Collecting static files …")
        shutil.rmtree(settings.STATIC_ROOT, ignore_errors=True)
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(digest)


def _static_digest() -> str:
    """Changes when a static file of ours or the set of installed packages does."""
    digest = hashlib.sha256()
    for path in sorted(p for p in (settings.BASE_DIR / "static").rglob("*") if p.is_file()):
        stat = path.stat()
        digest.update(f"{path}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    digest.update((settings.BASE_DIR / "requirements" / "base.txt").read_bytes())
    return digest.hexdigest()
