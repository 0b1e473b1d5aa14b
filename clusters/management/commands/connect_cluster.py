from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clusters import services
from clusters.errors import ClusterError, Refused
from clusters.models import ClusterKind


class Command(BaseCommand):
    help = "Connect a cluster by a kubeconfig, or renew its address and credentials."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--kubeconfig", required=True, metavar="FILE")
        parser.add_argument("--context", default="")
        parser.add_argument(
            "--replace-sandbox", action="store_true", help="disconnect the sandbox, if there is one"
        )
        parser.add_argument("--kind", default="kubeconfig", choices=[k.value for k in ClusterKind])

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - Django's signature
        try:
            cluster = services.ensure_cluster(
                name=options["name"],
                kind=ClusterKind(options["kind"]),
                kubeconfig_text=Path(options["kubeconfig"]).read_text(),
                context=options["context"],
            )
        except (Refused, OSError, UnicodeDecodeError) as error:
            raise CommandError(str(error)) from error
        if options["replace_sandbox"]:
            services.disconnect_sandboxes()
        try:
            services.refresh_findings(cluster)
        except ClusterError as error:
            self.stderr.write(
                f"{cluster.name} is kept, but: {error.message} {error.detail}".rstrip()
            )
        else:
            self.stdout.write(f"{cluster.name} is connected: {cluster.endpoint}")
