"""Who looks: a person's browser at the list of workspaces, and an administrator's own watch of the cluster.

The observer does what static/js/live.js does: one stream of announcements, and with each the list is asked for again.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx

from tests.faults.browsing import MACHINE, NAMESPACE, PRESET
from tests.faults.checker import Change, ClusterSnapshot, Sighting
from tests.faults.processes import wait_until

LIST = "/workspaces/?sort=name"
TOPICS = "clusters,workspaces"
GAP_S = 0.25  # as live.js
POLL_S = 20.0  # a third of the page's own, so that a test need not wait a minute for what it heals
RETRY_S = 1.0
ROW = re.compile(r'<tr id="ws-([^"]+)" data-version="(\d+)" data-phase="([a-z-]+)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """To one request of the observer; status 0 is none."""

    at: float
    status: int
    seconds: float


class Observer:
    """Looks from start() to stop(). `client` is signed in, and the observer's alone."""

    def __init__(self, client: httpx.Client, *, listening: httpx.Client) -> None:
        self.sightings: list[Sighting] = []
        self.phases: dict[str, str] = {}  # uid → as last seen
        self.answers: list[Answer] = []
        self.html = ""
        self._client, self._listening = client, listening
        self._stream: httpx.Response | None = None
        self._due, self._stopping, self._looking = (
            threading.Event(),
            threading.Event(),
            threading.Lock(),
        )
        self._threads = [
            threading.Thread(target=each, name=each.__name__, daemon=True)
            for each in (self._listen, self._follow)
        ]

    def start(self) -> Observer:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        self._due.set()
        _hang_up(self._stream)
        for thread in self._threads:
            thread.join(10)
        for client in (self._listening, self._client):
            client.close()

    def look(self) -> Sighting | None:
        """Ask for the list now; None when it does not come."""
        with self._looking:  # one after the other, as a browser does
            return self._look()

    def forget(self) -> None:
        """What was seen so far binds nobody any more: the database has lost its last writes."""
        with self._looking:
            self.sightings.clear()

    def _look(self) -> Sighting | None:
        asked_at = time.monotonic()
        try:
            answer = self._client.get(LIST, headers={"HX-Request": "true"})
            status, self.html = answer.status_code, answer.text if answer.is_success else self.html
        except httpx.HTTPError:
            status = 0
        self.answers.append(Answer(at=asked_at, status=status, seconds=time.monotonic() - asked_at))
        if status != 200:
            return None
        rows = ROW.findall(self.html)
        self.phases = {uid: phase for uid, _, phase in rows}
        versions = {uid: int(version) for uid, version, _ in rows}
        is_whole = 'id="page-next"' not in self.html and 'id="page-previous"' not in self.html
        self.sightings.append(Sighting(asked_at=asked_at, versions=versions, is_whole=is_whole))
        return self.sightings[-1]

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self._due.wait(POLL_S)
            self._due.clear()
            if not self._stopping.is_set():
                self.look()
                self._stopping.wait(GAP_S)

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._listening.stream("GET", f"/events/?topics={TOPICS}") as stream:
                    self._due.set()
                    self._hear(stream)
            except (httpx.HTTPError, httpx.StreamError, OSError):
                pass
            self._stopping.wait(RETRY_S)

    def _hear(self, stream: httpx.Response) -> None:
        self._stream = stream
        for line in stream.iter_lines():
            if line.startswith("event: ") and line != "event: beat":
                self._due.set()


class Truth:
    """Every change of a workspace in the cluster, by an administrator's watch that goes past all wires."""

    PATH = "/apis/kaito.sh/v1beta1/workspaces"
    PATH_OF_ONE = f"/apis/kaito.sh/v1beta1/namespaces/{NAMESPACE}/workspaces"

    def __init__(self, url: str, token: str, context: ssl.SSLContext) -> None:
        self.changes: list[Change] = []
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(
            base_url=url, headers=headers, verify=context, timeout=None, trust_env=False
        )
        self._stopping = threading.Event()
        self._stream: httpx.Response | None = None
        self._thread = threading.Thread(target=self._follow, name="truth", daemon=True)

    def start(self) -> Truth:
        self._list()
        self._thread.start()
        return self

    def _list(self) -> None:
        """At the start, and again when the watch has been told that its version is too old."""
        listed = self._client.get(self.PATH).raise_for_status().json()
        known = self.objects()
        for item in listed["items"]:
            there = known.pop(item["metadata"]["uid"], None)
            if there is None or there.version < int(item["metadata"]["resourceVersion"]):
                self._note("MODIFIED" if there else "ADDED", item)
        for gone in known.values():
            self.changes.append(replace(gone, at=time.monotonic(), type="DELETED"))
        self._version = listed["metadata"]["resourceVersion"]

    def stop(self) -> None:
        self._stopping.set()
        _hang_up(self._stream)
        self._thread.join(10)
        self._client.close()

    def objects(self) -> dict[str, Change]:
        return ClusterSnapshot(changes=list(self.changes)).objects

    def make(self, name: str) -> None:
        """As somebody with kubectl."""
        manifest = {
            "apiVersion": "kaito.sh/v1beta1",
            "kind": "Workspace",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "resource": {"instanceType": MACHINE, "labelSelector": {"matchLabels": {"apps": name}}},
            "inference": {"preset": {"name": PRESET}},
        }
        self._client.post(self.PATH_OF_ONE, json=manifest).raise_for_status()

    def remove(self, name: str) -> None:
        """As somebody with kubectl; nothing if there is none."""
        self._client.delete(f"{self.PATH_OF_ONE}/{name}")

    def label(self, name: str, value: str) -> None:
        body = {"metadata": {"labels": {"changed": value}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        self._client.patch(f"{self.PATH_OF_ONE}/{name}", json=body, headers=headers)

    def remove_all(self) -> None:
        for item in self._client.get(self.PATH).json()["items"]:
            self._client.delete(self._path(item))
        wait_until(lambda: not self.objects(), what="an empty cluster")

    def _list(self) -> None:
        """What there is now, and what was there before and is not any more."""
        listed = self._client.get(self.PATH).raise_for_status().json()
        there = {item["metadata"]["uid"]: item for item in listed["items"]}
        known = self.objects()
        for uid in known.keys() - there:
            self.changes.append(replace(known[uid], at=time.monotonic(), type="DELETED"))
        for uid, item in there.items():
            if uid not in known or str(known[uid].version) != item["metadata"]["resourceVersion"]:
                self._note("MODIFIED" if uid in known else "ADDED", item)
        self._version = listed["metadata"]["resourceVersion"]

    @staticmethod
    def _path(item: dict) -> str:
        meta = item["metadata"]
        return f"/apis/kaito.sh/v1beta1/namespaces/{meta['namespace']}/workspaces/{meta['name']}"

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                for event in self._events():
                    if event["type"] == "ERROR":  # the version is forgotten
                        self._list()
                        break
                    self._note(event["type"], event["object"])
                    self._version = event["object"]["metadata"]["resourceVersion"]
            except (httpx.HTTPError, httpx.StreamError, OSError):  # also while KAITO is not there
                self._stopping.wait(0.2)

    def _events(self) -> Iterator[dict]:
        query = {"watch": "true", "resourceVersion": self._version, "timeoutSeconds": "3000"}
        with self._client.stream("GET", self.PATH, params=query) as stream:
            self._stream = stream.raise_for_status()
            yield from map(json.loads, filter(None, stream.iter_lines()))

    def _note(self, kind: str, raw: dict) -> None:
        meta = raw["metadata"]
        self.changes.append(
            Change(
                at=time.monotonic(),
                type=kind,
                uid=meta["uid"],
                name=meta["name"],
                version=int(meta["resourceVersion"]),
                generation=meta["generation"],
                operation_id=meta.get("annotations", {}).get("kaitoweb/operation-id", ""),
                is_deleting="deletionTimestamp" in meta,
            )
        )


def _hang_up(stream: httpx.Response | None) -> None:
    """Wakes whoever reads it; closing alone would not."""
    if stream is not None:
        with contextlib.suppress(OSError):
            sock = stream.extensions["network_stream"].get_extra_info("socket")
            sock.shutdown(socket.SHUT_RDWR)
