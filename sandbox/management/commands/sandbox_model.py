"""`manage.py sandbox_model`: the sandbox's model server, a process of its own."""

import asyncio
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sandbox.models.engines import EngineMissing
from sandbox.models.server import MODELS, make_engine, serve


class Command(BaseCommand):
    help = "Serve the sandbox's language model in KAITO's dialects, on 127.0.0.1."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=0, help="0: any free port")
        parser.add_argument("--model", choices=MODELS, default="auto")
        parser.add_argument("--speed", type=float, default=1.0, help="pace of echo's words")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        try:
            engine = make_engine(options["model"], speed=options["speed"])
            asyncio.run(
                serve(engine, port=options["port"], announce=self._announce, speed=options["speed"])
            )
        except EngineMissing as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Port {options['port']} cannot be used: {error}") from error

    def _announce(self, url: str) -> None:
        self.stdout.write(f"listening on {url}")
        self.stdout.flush()
