"""The form that connects a cluster. What was given stays on the server's side of a seal while it is not accepted."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from accounts.people import Person
from clusters.credentials import Unsealable, seal, unseal
from clusters.kubeconfigs import SIZE_LIMIT_BYTES, KubeconfigError, context_names

DRAFT_AGE_S = 900


class ConnectForm(forms.Form):
    """A kubeconfig pasted, uploaded, or kept from the last try as `draft`.

    A kubeconfig holds secrets, so it is never written back into the page; the draft is sealed and opens only
    for the person who gave it.
    """

    name = forms.CharField(
        max_length=63,
        error_messages={"required": "Give it a name: it stands in addresses and in the audit."},
    )
    kubeconfig = forms.CharField(
        required=False,
        strip=False,
        max_length=SIZE_LIMIT_BYTES,
        error_messages={"max_length": "This is larger than 256 KiB; no kubeconfig is."},
    )
    upload = forms.FileField(required=False, allow_empty_file=True)
    context = forms.CharField(required=False)
    draft = forms.CharField(required=False)

    def __init__(self, *args: Any, person: Person, **kwargs: Any) -> None:  # noqa: ANN401 - Django's own
        super().__init__(*args, **kwargs)
        self.person = person
        self.text = ""
        self.contexts: list[str] = []

    @property
    def kept(self) -> str:
        """The text for the next try, sealed; empty while there is none worth it."""
        if not self.contexts or "kubeconfig" in self.errors:
            return ""
        return seal({"kubeconfig": self.text, "person": str(self.person.pk)})

    def clean_upload(self) -> str:
        upload: UploadedFile | None = self.cleaned_data["upload"]
        if upload is None:
            return ""
        if (upload.size or 0) > SIZE_LIMIT_BYTES:
            raise forms.ValidationError("This is larger than 256 KiB; no kubeconfig is.")
        try:
            text: str = upload.read().decode()
        except UnicodeDecodeError as error:
            raise forms.ValidationError("This is not a text file.") from error
        return text

    def clean_draft(self) -> str:
        try:
            kept = unseal(self.cleaned_data["draft"], max_age_s=DRAFT_AGE_S)
        except Unsealable:
            return ""
        return kept["kubeconfig"] if kept.get("person") == str(self.person.pk) else ""

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        self.text = given.get("upload") or given.get("kubeconfig") or given.get("draft") or ""
        if self.text.strip():
            self._choose_context()
        elif not self.errors.keys() & {"upload", "kubeconfig"}:
            self.add_error("kubeconfig", "Paste a kubeconfig, or choose a file.")
        return given

    def _choose_context(self) -> None:
        try:
            self.contexts = context_names(self.text)
        except KubeconfigError as error:
            where = f"Line {error.line}: " if error.line else ""
            self.add_error("kubeconfig", where + error.message)
            return
        if len(self.contexts) > 1 and self.cleaned_data.get("context") not in self.contexts:
            self.add_error(
                "context", f"The kubeconfig has {len(self.contexts)} contexts. Choose one."
            )
