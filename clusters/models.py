"""Connections to clusters: where each is, who we are there, what it can do, how fresh our word of it is."""

from __future__ import annotations

from enum import StrEnum

from django.db import models
from django.db.models import Q


class ClusterKind(StrEnum):
    SANDBOX = "sandbox"
    KUBECONFIG = "kubeconfig"

    @property
    def label(self) -> str:
        return {"sandbox": "Sandbox", "kubeconfig": "Kubeconfig"}[self.value]


class ClusterState(StrEnum):
    """What the last contact told."""

    UNKNOWN = "unknown"
    OK = "ok"
    UNREACHABLE = "unreachable"
    DENIED = "denied"
    KAITO_MISSING = "kaito-missing"


class Cluster(models.Model):
    """One cluster. Credentials are stored sealed only (see clusters.credentials)."""

    name = models.CharField(max_length=63)
    kind = models.CharField(max_length=16, choices=[(k.value, k.label) for k in ClusterKind])
    endpoint = models.CharField(max_length=512)
    ca_pem = models.TextField(blank=True, default="")
    tls_server_name = models.CharField(max_length=253, blank=True, default="")
    sealed_credentials = models.TextField(blank=True, default="", editable=False)
    default_namespace = models.CharField(max_length=63, default="default")
    namespaces = models.JSONField(default=list, help_text="last seen, sorted")
    identity = models.JSONField(
        default=dict, help_text="username and groups, as the cluster sees us"
    )
    capabilities = models.JSONField(
        default=dict, help_text="versions, served CRDs, what RBAC allows"
    )
    revision = models.PositiveIntegerField(
        default=1, help_text="rises with each edit of address or credentials"
    )

    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in ClusterState],
        default=ClusterState.UNKNOWN,
    )
    last_contact_at = models.DateTimeField(null=True)
    last_list_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True, default="")
    last_error_at = models.DateTimeField(null=True)
    streams = models.JSONField(default=dict, help_text="per watched kind: state, since, error")

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150, blank=True, default="")
    disconnected_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(disconnected_at=None),
                name="one_connected_cluster_per_name",
            )
        ]

    def __str__(self) -> str:
        return self.name


class WatchLease(models.Model):
    """Which worker watches a cluster. `token` rises with each take-over and fences the former holder out."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="watch_lease")
    holder = models.CharField(max_length=200, blank=True, default="")
    token = models.BigIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.cluster_id}: {self.holder or 'nobody'} #{self.token}"
