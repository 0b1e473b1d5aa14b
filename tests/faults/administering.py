"""Whoever administers the cluster: takes kaitoweb's rights and KAITO itself away, and gives them back."""

from __future__ import annotations

import ssl

import httpx

from tests.faults.processes import wait_until

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
BINDING = f"{BINDINGS}/kaitoweb"
DEFINITION = f"{DEFINITIONS}/workspaces.kaito.sh"


class Administrator:
    """Goes past all wires. restore() gives back what is missing."""

    def __init__(self, url: str, token: str, context: ssl.SSLContext) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, verify=context, trust_env=False)
        self._kept = {place: self._read(place) for place in (BINDING, DEFINITION)}

    def close(self) -> None:
        self._client.close()

    def revoke(self) -> None:
        """kaitoweb may do nothing any more."""
        self._client.delete(BINDING)

    def uninstall(self) -> None:
        """The kind goes, and with it every workspace, which has to be taken apart first."""
        self._client.delete(DEFINITION)

    def restore(self) -> None:
        for place in self._kept:
            wait_until(lambda place=place: self._is_there(place), what=f"{place} is back")

    def _is_there(self, place: str) -> bool:
        """What is still on its way out is waited for."""
        answer = self._client.get(place)
        if answer.status_code == 404:
            collection = place.rpartition("/")[0]
            return self._client.post(collection, json=self._kept[place]).status_code == 201
        return "deletionTimestamp" not in answer.json()["metadata"]

    def _read(self, place: str) -> dict:
        found = self._client.get(place).raise_for_status().json()
        return {**found, "metadata": {"name": found["metadata"]["name"]}, "status": None}
