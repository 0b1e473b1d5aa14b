"""Runs the sandbox until SIGINT or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from sandbox import knobs
from sandbox.app import build_cluster, serving
from sandbox.cluster import Cluster
from sandbox.kaito.releases import PROVISIONERS, RELEASES, edition_of
from sandbox.kubeconfig import remove_kubeconfigs, write_kubeconfigs


class Command(BaseCommand):
    help = "Runs a pretend AKS cluster with KAITO on a loopback port."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--state", default=".state", help="state folder (default: .state)")
        parser.add_argument("--port", type=int, default=0, help="port (default: any free one)")
        parser.add_argument("--speed", type=float, default=1.0, help="how fast deployments move")
        parser.add_argument("--model-url", help="where `manage.py sandbox_model` listens")
        parser.add_argument("--knobs", action="store_true", help="serve the test knobs")
        parser.add_argument(
            "--kaito-version", choices=RELEASES, default="0.12", help="(default: %(default)s)"
        )
        parser.add_argument(
            "--node-provisioner",
            choices=PROVISIONERS,
            default=PROVISIONERS[0],
            help="byo: KAITO makes no nodes (default: %(default)s)",
        )
        parser.add_argument("--no-seed", action="store_true", help="begin with an empty cluster")

    def handle(self, *args: object, **options: object) -> None:
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
        folder = Path(str(options["state"])) / "sandbox"
        speed = float(str(options["speed"]))
        if speed <= 0:
            raise CommandError("--speed must be greater than 0")
        remove_kubeconfigs(folder)
        model_url = options["model_url"]
        cluster = build_cluster(
            folder,
            speed=speed,
            model_url=str(model_url) if model_url else None,
            seed=not options["no_seed"],
            edition=edition_of(str(options["kaito_version"]), str(options["node_provisioner"])),
        )
        if options["knobs"]:
            knobs.install(cluster)
        try:
            asyncio.run(self._serve(cluster, folder, int(str(options["port"]))))
        except OSError as error:
            raise CommandError(f"cannot listen on port {options['port']}: {error}") from error

    async def _serve(self, cluster: Cluster, folder: Path, port: int) -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with serving(cluster, port) as url:
            write_kubeconfigs(folder, url, cluster)
            self.stdout.write(f"listening on {url}")
            self.stdout.flush()
            await stopped.wait()
