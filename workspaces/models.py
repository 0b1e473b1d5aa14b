"""The mirror (may be dropped and rebuilt) and the diary of wishes (may not)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from clusters.models import Cluster
from workspaces.types import OperationKind, OperationStatus, Phase, Recipe


class Workspace(models.Model):
    """Mirror row of one KAITO Workspace object; identity is the uid, never the name.

    No mirror table has an index on `cluster` alone: SQLite, which keeps no statistics, would choose it before the
    index that is meant, and read every row of the cluster.
    """

    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, related_name="workspaces", db_index=False
    )
    uid = models.CharField(max_length=64)
    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    resource_version = models.CharField(max_length=32, blank=True, default="")
    generation = models.PositiveBigIntegerField(default=0)

    phase = models.CharField(
        max_length=16, choices=[(p.value, p.label) for p in Phase], default=Phase.UNKNOWN
    )
    phase_since = models.DateTimeField(null=True)
    headline = models.CharField(
        max_length=300, blank=True, default="", help_text="the state in plain words"
    )
    recipe = models.CharField(
        max_length=24, choices=[(r.value, r.label) for r in Recipe], default=Recipe.OTHER
    )
    model = models.CharField(
        max_length=255, blank=True, default="", help_text="preset name or model id"
    )
    runtime = models.CharField(max_length=16, blank=True, default="")
    dialect = models.CharField(max_length=24, blank=True, default="unknown")
    instance_type = models.CharField(max_length=63, blank=True, default="")
    count = models.PositiveIntegerField(default=1)
    node_count = models.PositiveIntegerField(default=0, help_text="nodes that serve it now")
    answers = models.BooleanField(default=False, help_text="KAITO says InferenceReady")
    external_address = models.CharField(
        max_length=253,
        blank=True,
        default="",
        help_text="of the load balancer; shown, never dialled",
    )
    owner = models.CharField(
        max_length=150,
        blank=True,
        default="",
        help_text="who asked for it here; empty for made outside",
    )
    owner_key = models.CharField(max_length=64, blank=True, default="")

    raw = models.JSONField(default=dict, help_text="as last seen, redacted, without managedFields")
    managers = models.JSONField(default=list, help_text="summary of managedFields")
    operation_id = models.UUIDField(
        null=True, db_index=True, help_text="from the annotation kaitoweb/operation-id"
    )

    created_at = models.DateTimeField(null=True, help_text="creationTimestamp")
    deletion_requested_at = models.DateTimeField(null=True, help_text="deletionTimestamp")
    deleted_at = models.DateTimeField(null=True, help_text="when it was seen to be gone")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "uid"], name="one_row_per_workspace_uid"),
            models.UniqueConstraint(
                fields=["cluster", "namespace", "name"],
                condition=Q(deleted_at=None),
                name="one_live_workspace_per_name",
            ),
        ]
        indexes = [
            models.Index(fields=["cluster", "namespace", "name"], name="workspace_name"),
            models.Index(fields=["deleted_at", "phase"], name="workspace_live_phase"),
            models.Index(fields=["deleted_at", "-created_at"], name="workspace_live_created"),
        ]

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Dependent(models.Model):
    """Mirror row of an object that KAITO made for a workspace: pod, service, workload, node claim."""

    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, related_name="dependents", db_index=False
    )
    kind = models.CharField(max_length=40)
    uid = models.CharField(max_length=64)
    namespace = models.CharField(max_length=63, blank=True, default="")
    name = models.CharField(max_length=253)
    workspace_namespace = models.CharField(max_length=63, blank=True, default="")
    workspace_name = models.CharField(max_length=253, blank=True, default="")
    resource_version = models.CharField(max_length=32, blank=True, default="")
    raw = models.JSONField(default=dict)
    created_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "uid"], name="one_row_per_dependent_uid")
        ]
        indexes = [
            models.Index(
                fields=["cluster", "workspace_namespace", "workspace_name"],
                name="dependent_of_workspace",
            ),
            models.Index(fields=["cluster", "kind", "name"], name="dependent_name"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class ClusterEvent(models.Model):
    """Mirror row of a Kubernetes Event about a workspace or one of its dependents; kept after its short life there."""

    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, related_name="events", db_index=False
    )
    uid = models.CharField(max_length=64)
    workspace_namespace = models.CharField(max_length=63)
    workspace_name = models.CharField(max_length=253)
    object_kind = models.CharField(max_length=40)
    object_name = models.CharField(max_length=253)
    object_uid = models.CharField(max_length=64, blank=True, default="")
    type = models.CharField(max_length=16, default="Normal")
    reason = models.CharField(max_length=128, blank=True, default="")
    message = models.TextField(blank=True, default="")
    source = models.CharField(max_length=128, blank=True, default="")
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    resource_version = models.CharField(max_length=32, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster", "uid"], name="one_row_per_event_uid")
        ]
        indexes = [
            models.Index(
                fields=["cluster", "workspace_namespace", "workspace_name", "-last_at"],
                name="event_of_workspace",
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.object_kind}/{self.object_name}"


class Transition(models.Model):
    """One observed change of a workspace: the timeline, and what the usual durations are learnt from."""

    cluster = models.ForeignKey(
        Cluster, on_delete=models.CASCADE, related_name="transitions", db_index=False
    )
    workspace_uid = models.CharField(max_length=64, db_index=True)
    at = models.DateTimeField(
        help_text="the cluster's time where it gives one, else when we saw it"
    )
    subject = models.CharField(
        max_length=128,
        help_text="phase, state, a condition type, pod/<name>, nodeclaim/<name>, event",
    )
    before = models.CharField(max_length=64, blank=True, default="")
    after = models.CharField(max_length=64, blank=True, default="")
    reason = models.CharField(max_length=128, blank=True, default="")
    message = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            models.Index(fields=["cluster", "workspace_uid"], name="transition_of_workspace")
        ]

    def __str__(self) -> str:
        return f"{self.subject}: {self.before} → {self.after}"


class Operation(models.Model):
    """One wish of one person. Written before anything is sent; a finished row never changes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=[(k.value, k.label) for k in OperationKind])
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="operations")
    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    uid = models.CharField(
        max_length=64, blank=True, default="", help_text="of the object, once known"
    )
    manifest = models.JSONField(null=True, help_text="asked for")
    manifest_before = models.JSONField(null=True)

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    person_name = models.CharField(max_length=150)
    reason = models.CharField(max_length=500, blank=True, default="")
    request_id = models.CharField(max_length=64, blank=True, default="")
    source_ip = models.GenericIPAddressField(null=True)
    idempotency_key = models.CharField(max_length=64)

    status = models.CharField(
        max_length=16,
        choices=[(s.value, s.label) for s in OperationStatus],
        default=OperationStatus.QUEUED,
    )
    error = models.TextField(blank=True, default="", help_text="our sentence")
    error_detail = models.TextField(blank=True, default="", help_text="the cluster's words")
    attempts = models.PositiveIntegerField(
        default=0, help_text="takes so far; fences a lost worker out"
    )
    lost_workers = models.PositiveIntegerField(
        default=0, help_text="attempts that ended without a word"
    )
    dispatched_at = models.DateTimeField(
        null=True, help_text="when the sweep last sent it to a worker"
    )
    not_before = models.DateTimeField(null=True, help_text="earliest next attempt")
    taken_by = models.CharField(max_length=200, blank=True, default="")
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["person", "idempotency_key"], name="one_operation_per_key"
            )
        ]
        indexes = [
            models.Index(fields=["status", "created_at"], name="operation_open"),
            models.Index(
                fields=["cluster", "namespace", "name", "-created_at"],
                name="operation_of_workspace",
            ),
        ]
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"
