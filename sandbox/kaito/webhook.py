"""The webhook as the API server calls it: also when nobody answers, or when KAITO's code breaks.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/webhooks/webhooks.go
"""

from __future__ import annotations

from typing import Any

from sandbox import status
from sandbox.cluster import AdmissionRequest
from sandbox.kaito import workspaces
from sandbox.kaito.admission import denial
from sandbox.kaito.fielderrors import Errors, generic
from sandbox.kaito.presets import find_preset
from sandbox.kaito.releases import Edition
from sandbox.resources import CONFIGMAPS, DEPLOYMENTS, NODES, WORKSPACES
from sandbox.store import Store

NAME = "validation.workspace.kaito.sh"
SERVICE = "workspace-webhook-svc"
NAMESPACE = "kaito-workspace"
URL = f"https://{SERVICE}.{NAMESPACE}.svc:9443/validate/workspace.kaito.sh?timeout=10s"

Raw = dict[str, Any]


class Webhook:
    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        self._registered: set[str] = set()  # models that a v1beta1 request has asked for

    def review(self, request: AdmissionRequest) -> None:
        """The hook: raises the webhook's denial. Also called for the status subresource."""
        if request.resource.key != WORKSPACES.key:
            return
        if not _is_running(request.store):
            raise _unreachable(f'no endpoints available for service "{SERVICE}"')
        old = request.old_object if request.operation == "UPDATE" else None
        errors: Errors = []
        if request.resource.version == "v1alpha1":
            errors = self._alpha_errors(request.object, old)
        refusal = denial(
            request.object,
            old,
            lambda namespace, name: request.store.get(CONFIGMAPS, namespace, name),
            edition=self._edition,
            find_nodes=lambda labels: _nodes(request.store, labels),
            more=errors,
        )
        if refusal is not None:
            raise status.bad_request(f'admission webhook "{NAME}" denied the request: {refusal}')
        self._registered.add(_model_name(request.object))

    def _alpha_errors(self, ws: Raw, old: Raw | None) -> Errors:
        """v1alpha1 looks a preset up in a register that 0.12 fills from v1beta1 requests alone, and
        goes on with nothing; the short names are never in it."""
        preset = (workspaces.inference(ws) or {}).get("preset")
        if preset is None or old is not None:
            return []
        name = (preset.get("name") or "").lower()
        if self._edition.release.has_hub_models and name not in self._registered:
            raise _unreachable("EOF")
        options = preset.get("presetOptions") or {}
        if preset.get("accessMode") == "private" and not options.get("image"):
            said = "When AccessMode is private, an image must be provided in PresetOptions"
            return [generic(said)]
        return []


def _model_name(ws: Raw) -> str:
    found = find_preset(workspaces.preset_name(ws))
    return (found.name if found else workspaces.preset_name(ws)).lower()


def _is_running(store: Store) -> bool:
    """The operator's own pod answers, unless somebody scaled it to nothing."""
    found = store.peek(DEPLOYMENTS, NAMESPACE, "kaito-workspace")
    return found is None or found.object["spec"].get("replicas", 1) > 0


def _unreachable(why: str) -> status.StatusError:
    """`failurePolicy: Fail`: without an answer nothing is admitted."""
    return status.internal(
        f'failed calling webhook "{NAME}": failed to call webhook: Post "{URL}": {why}'
    )


def _nodes(store: Store, labels: dict[str, str]) -> list[Raw]:
    found = [stored.object for stored in store.snapshot_of(NODES)]
    return [
        node for node in found if labels.items() <= (node["metadata"].get("labels") or {}).items()
    ]
