"""A gateway in memory: holds objects by kind and name, counts writes, and fails as scripted."""

import copy
import itertools

from clusters import gateway
from clusters.errors import Conflict, NotFound
from clusters.gateway import Page


class MemoryGateway:
    """`script` is a list of what the next writes do: None works, an error is raised before anything changes,

    a pair (error, "after") is raised after the change took effect, and a callable is called first.
    """

    def __init__(self):
        self.objects = {}
        self.events = []
        self.writes = []
        self.script = []
        self._numbers = itertools.count(1)

    def get(self, target, namespace, name):
        try:
            return copy.deepcopy(self.objects[namespace, name])
        except KeyError:
            raise NotFound("NotFound", f"There is no {name}.", 404) from None

    def list(self, target, *, limit=500, cont=""):
        """Events only."""
        return Page(items=copy.deepcopy(self.events), resource_version="1", cont="")

    def create(self, target, obj, *, dry_run=False):
        meta = obj["metadata"]
        late = self._step(("create", meta["name"]))
        place = (meta["namespace"], meta["name"])
        if place in self.objects:
            raise Conflict("AlreadyExists", "It exists.", kind="exists")
        number = next(self._numbers)
        made = {**obj, "metadata": {**meta, "uid": f"uid-{number}", "resourceVersion": str(number)}}
        self.objects[place] = made
        if late:
            raise late
        return copy.deepcopy(made)

    def delete(self, target, namespace, name, *, uid, propagation="Background", dry_run=False):
        late = self._step(("delete", name))
        found = self.get(target, namespace, name)
        if found["metadata"]["uid"] != uid:
            raise Conflict("Conflict", "Another uid.", kind="uid")
        del self.objects[namespace, name]
        if late:
            raise late
        return found

    def _step(self, write):
        self.writes.append(write)
        step = self.script.pop(0) if self.script else None
        if callable(step):
            step()
        elif isinstance(step, tuple):
            return step[0]
        elif step is not None:
            raise step
        return None


def use(monkeypatch, made):
    """Every cluster is reached through `made` from now on."""
    monkeypatch.setattr(gateway, "for_cluster", lambda cluster: made)
    return made
