"""The question before a workspace goes: is it meant, and is it still the same object?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from django import forms

from workspaces.models import Dependent, Workspace


class DeleteForm(forms.Form):
    """Bound to one object by its uid: a namesake that was made while the page stood open is safe."""

    confirm = forms.CharField(
        label="Type the name to confirm",
        error_messages={"required": "Type the name of the workspace."},
        widget=forms.TextInput(
            attrs={
                "class": "form-control font-monospace",
                "spellcheck": "false",
                "autocomplete": "off",
                "autocapitalize": "none",
            }
        ),
    )
    reason = forms.CharField(
        label="Why, for the audit",
        required=False,
        max_length=500,
        widget=forms.TextInput(
            attrs={"class": "form-control", "autocomplete": "off", "placeholder": "Optional"}
        ),
    )
    uid = forms.CharField(widget=forms.HiddenInput)
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, workspace: Workspace, data: Mapping[str, Any] | None = None) -> None:
        first = {"uid": workspace.uid, "key": uuid.uuid4().hex}
        super().__init__(data, initial=first, auto_id="f-%s")
        self.workspace = workspace

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"].strip()
        if typed != self.workspace.name:
            raise forms.ValidationError(f"That is not {self.workspace.name}.")
        return typed

    def clean_uid(self) -> str:
        uid: str = self.cleaned_data["uid"]
        if uid != self.workspace.uid:
            raise forms.ValidationError(
                "Another workspace has taken this name since you opened the page. Look at it first."
            )
        return uid

    @property
    def machines(self) -> int:
        """VMs that have joined the cluster for it; none as long as Azure refuses them."""
        return self.workspace.node_count

    @property
    def ordered(self) -> int:
        return self.workspace.count

    @property
    def node_names(self) -> list[str]:
        return list(self.workspace.raw.get("status", {}).get("workerNodes") or [])

    @property
    def goes(self) -> list[tuple[str, list[str]]]:
        """Kind and names of what KAITO has made for it, as last seen; owned, so it goes with the workspace."""
        mine = Dependent.objects.filter(
            cluster=self.workspace.cluster,
            workspace_namespace=self.workspace.namespace,
            workspace_name=self.workspace.name,
        )
        pairs = mine.order_by("kind", "name").values_list("kind", "name")
        return [(kind, [n for _, n in some]) for kind, some in groupby(pairs, itemgetter(0))]
