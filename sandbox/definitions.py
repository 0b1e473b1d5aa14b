"""What the controllers of CustomResourceDefinitions do: accept names, establish, and on deletion
first remove every object, then let the definition go.

They act at once, where a cluster takes a moment.
https://github.com/kubernetes/apiextensions-apiserver/tree/v0.36.3/pkg/controller
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.clock import rfc3339
from sandbox.objects import CLEANUP
from sandbox.resources import CRDS, key_of, resources_of
from sandbox.store import Event, Store

Object = dict[str, Any]
Condition = dict[str, str]

IN_PROGRESS = "InstanceDeletionInProgress"
MANAGER = "kube-apiserver"
NAMES = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}


class Definitions:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._going: set[tuple[str, str]] = set()  # kinds whose last objects are waited for
        store.listeners.append(self._observe)

    def settle_all(self) -> None:
        """After a restore, which sends no events."""
        for stored in self._store.snapshot_of(CRDS):
            self._settle(stored.object["metadata"]["name"])

    def _observe(self, event: Event) -> None:
        if event.resource.key == CRDS.key:
            if event.type == "DELETED":
                self._after_removal(event.object)
            else:
                self._settle(event.object["metadata"]["name"])
        elif event.type == "DELETED" and event.resource.key in self._going:
            self._finish(event.resource.qualified)

    def _settle(self, name: str) -> None:
        """Brings the definition to the state that its controllers want."""
        crd = self._store.get(CRDS, None, name)
        if crd is None:
            return
        if crd["metadata"].get("deletionTimestamp"):
            self._terminate(crd)
            return
        self._store.update(
            CRDS, crd | {"status": self._status(crd)}, manager=MANAGER, subresource="status"
        )

    def _status(self, crd: Object) -> Object:
        status = dict(crd.get("status") or {})
        wanted, taken = crd["spec"]["names"], self._taken(crd)
        accepted = {key: value for key, value in wanted.items() if key not in taken}
        status["acceptedNames"] = {"plural": "", "kind": ""} | accepted
        established = is_condition_true(crd, "Established") or not taken
        now = rfc3339(self._store.now())
        conditions = _with(status.get("conditions") or [], _names_condition(taken, wanted), now)
        status["conditions"] = _with(conditions, _established_condition(established), now)
        storage = [each["name"] for each in crd["spec"]["versions"] if each.get("storage")]
        stored = status.get("storedVersions") or []
        status["storedVersions"] = [*stored, *(each for each in storage if each not in stored)]
        return status

    def _taken(self, crd: Object) -> dict[str, str]:
        """Which of its names another definition of the group has had before it, and the name."""
        mine = crd["spec"]["names"]
        others = [each["status"]["acceptedNames"] for each in self._established_beside(crd)]
        singulars = {word for names in others for word in _words(names)}
        kinds = {names.get(key) for names in others for key in ("kind", "listKind")}
        found: dict[str, str] = {}
        for key in NAMES:
            among = kinds if key in ("kind", "listKind") else singulars
            values = mine.get(key) or []
            for value in values if isinstance(values, list) else [values]:
                if value in among:
                    found.setdefault(key, value)
        return found

    def _established_beside(self, crd: Object) -> Iterator[Object]:
        for stored in self._store.snapshot_of(CRDS):
            other = stored.object
            if other["metadata"]["name"] == crd["metadata"]["name"]:
                continue
            if other["spec"]["group"] == crd["spec"]["group"] and is_condition_true(
                other, "Established"
            ):
                yield other

    def _terminate(self, crd: Object) -> None:
        if _has_begun(crd):
            return self._finish(crd["metadata"]["name"])
        why = "CustomResource deletion is in progress"
        going = _condition("Terminating", "True", IN_PROGRESS, why)
        status = dict(crd.get("status") or {})
        now = rfc3339(self._store.now())
        status["conditions"] = _with(status.get("conditions") or [], going, now)
        self._going.add(key_of(crd))
        self._store.update(CRDS, crd | {"status": status}, manager=MANAGER, subresource="status")
        for resource in resources_of(crd)[:1]:
            for stored in self._store.snapshot_of(resource):
                namespace, name = stored.name
                if not stored.object["metadata"].get("deletionTimestamp"):
                    self._store.delete(resource, namespace, name, manager=MANAGER)
        return None

    def _finish(self, name: str) -> None:
        crd = self._store.get(CRDS, None, name)
        if crd is None or not crd["metadata"].get("deletionTimestamp"):
            return
        if any(self._store.count(resource) for resource in resources_of(crd)[:1]):
            self._going.add(key_of(crd))
            return
        finalizers = crd["metadata"].get("finalizers") or []
        if CLEANUP in finalizers:
            crd["metadata"]["finalizers"] = [each for each in finalizers if each != CLEANUP]
            self._store.update(CRDS, crd, manager=MANAGER)

    def _after_removal(self, crd: Object) -> None:
        """Its watches end, and names that others wait for are free."""
        self._going.discard(key_of(crd))
        self._store.end_subscriptions(key_of(crd))
        for stored in self._store.snapshot_of(CRDS):
            other = stored.object
            if other["spec"]["group"] == crd["spec"]["group"]:
                self._settle(other["metadata"]["name"])


def _has_begun(crd: Object) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return any(each["reason"] == IN_PROGRESS for each in conditions)


def is_condition_true(crd: Object, type_: str) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return any(each["type"] == type_ and each["status"] == "True" for each in conditions)


def _words(names: Object) -> list[str]:
    return [names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())]


def _names_condition(taken: dict[str, str], wanted: Object) -> Condition:
    if not taken:
        return _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
    key, value = next(iter(taken.items()))
    return _condition("NamesAccepted", "False", NAMES[key], f'"{value}" is already in use')


def _established_condition(is_established: bool) -> Condition:
    if is_established:
        why = "the initial names have been accepted"
        return _condition("Established", "True", "InitialNamesAccepted", why)
    return _condition("Established", "False", "NotAccepted", "not all names are accepted")


def _condition(type_: str, status: str, reason: str, message: str) -> Condition:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def _with(conditions: list[Condition], new: Condition, now: str) -> list[Condition]:
    """A condition keeps its time as long as it keeps its status."""
    before = next((each for each in conditions if each["type"] == new["type"]), None)
    since = before["lastTransitionTime"] if before and before["status"] == new["status"] else now
    new = {"type": new["type"], "status": new["status"], "lastTransitionTime": since} | new
    if before is None:
        return [*conditions, new]
    return [new if each is before else each for each in conditions]
