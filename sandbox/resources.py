"""The table of kinds that the API serves: built-in ones here, custom ones made from their CRDs.

Two versions of one custom kind are two rows with the same `key`: objects are stored once, in the
storage version, and rewritten on the way out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
)
EVENT_FIELDS = (
    "involvedObject.apiVersion",
    "involvedObject.fieldPath",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "reason",
    "reportingComponent",
    "source",
    "type",
)

NEW_EVENT_FIELDS = (
    *(field.replace("involvedObject", "regarding") for field in EVENT_FIELDS[:6]),
    "reason",
    "reportingController",
    "type",
)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    has_generation: bool = False
    selectable: tuple[str, ...] = ()
    storage_version: str = ""
    storage_group: str | None = None  # where it is another than its own
    is_custom: bool = False
    # From a CRD only: how `kubectl get` prints it, its OpenAPI v3 schema, and where `/scale` reads.
    columns: tuple[dict[str, Any], ...] = field(default=(), compare=False)
    schema: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    scale: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> Key:
        """What the store files its objects under, whatever the version."""
        return (self.stored_group, self.plural)

    @property
    def stored_group(self) -> str:
        return self.group if self.storage_group is None else self.storage_group

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def stored_api_version(self) -> str:
        version = self.storage_version or self.version
        return f"{self.stored_group}/{version}" if self.stored_group else version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def group_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


def _core(plural: str, kind: str, *short_names: str, **rest: object) -> Resource:
    return _row("", "v1", plural, kind, short_names, rest)


def _in(api_version: str, plural: str, kind: str, *short_names: str, **rest: object) -> Resource:
    group, version = api_version.split("/")
    return _row(group, version, plural, kind, short_names, rest)


def _row(
    group: str, version: str, plural: str, kind: str, short: tuple[str, ...], rest: dict[str, Any]
) -> Resource:
    return Resource(
        group=group,
        version=version,
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        short_names=short,
        **rest,
    )


STATUS = ("status",)
SCALED = ("status", "scale")
ALL = ("all",)

NAMESPACES = _core(
    "namespaces",
    "Namespace",
    "ns",
    namespaced=False,
    subresources=STATUS,
    selectable=("status.phase",),
)
NODES = _core(
    "nodes",
    "Node",
    "no",
    namespaced=False,
    subresources=STATUS,
    selectable=("spec.unschedulable",),
)
PODS = _core(
    "pods",
    "Pod",
    "po",
    categories=ALL,
    subresources=("status", "log"),
    has_generation=True,
    selectable=POD_FIELDS,
)
SERVICES = _core("services", "Service", "svc", categories=ALL, subresources=("status", "proxy"))
ENDPOINTS = _core("endpoints", "Endpoints", "ep")
EVENTS = _core("events", "Event", "ev", selectable=EVENT_FIELDS)
NEW_EVENTS = _in(
    "events.k8s.io/v1", "events", "Event", "ev", selectable=NEW_EVENT_FIELDS, storage_group=""
)
SECRETS = _core("secrets", "Secret", selectable=("type",))
CONFIGMAPS = _core("configmaps", "ConfigMap", "cm")
SERVICEACCOUNTS = _core("serviceaccounts", "ServiceAccount", "sa", subresources=("token",))
PVCS = _core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", subresources=STATUS)
PVS = _core("persistentvolumes", "PersistentVolume", "pv", namespaced=False, subresources=STATUS)
STATEFULSETS = _in(
    "apps/v1",
    "statefulsets",
    "StatefulSet",
    "sts",
    categories=ALL,
    subresources=SCALED,
    has_generation=True,
)
DEPLOYMENTS = _in(
    "apps/v1",
    "deployments",
    "Deployment",
    "deploy",
    categories=ALL,
    subresources=SCALED,
    has_generation=True,
)
REPLICASETS = _in(
    "apps/v1",
    "replicasets",
    "ReplicaSet",
    "rs",
    categories=ALL,
    subresources=SCALED,
    has_generation=True,
)
CONTROLLERREVISIONS = _in("apps/v1", "controllerrevisions", "ControllerRevision")
JOBS = _in("batch/v1", "jobs", "Job", categories=ALL, subresources=STATUS, has_generation=True)
CRDS = _in(
    "apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "crd",
    "crds",
    namespaced=False,
    categories=("api-extensions",),
    subresources=STATUS,
    has_generation=True,
)
STORAGECLASSES = _in("storage.k8s.io/v1", "storageclasses", "StorageClass", "sc", namespaced=False)
CSIDRIVERS = _in("storage.k8s.io/v1", "csidrivers", "CSIDriver", namespaced=False)
LEASES = _in("coordination.k8s.io/v1", "leases", "Lease")
VALIDATING_WEBHOOKS = _in(
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
    categories=("api-extensions",),
    has_generation=True,
)

RBAC_GROUP = "rbac.authorization.k8s.io"
ROLES = _in(f"{RBAC_GROUP}/v1", "roles", "Role")
ROLEBINDINGS = _in(f"{RBAC_GROUP}/v1", "rolebindings", "RoleBinding")
CLUSTERROLES = _in(f"{RBAC_GROUP}/v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTERROLEBINDINGS = _in(
    f"{RBAC_GROUP}/v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)

BUILT_IN: tuple[Resource, ...] = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    ENDPOINTS,
    EVENTS,
    NEW_EVENTS,
    SECRETS,
    CONFIGMAPS,
    SERVICEACCOUNTS,
    PVCS,
    PVS,
    STATEFULSETS,
    DEPLOYMENTS,
    REPLICASETS,
    CONTROLLERREVISIONS,
    JOBS,
    CRDS,
    STORAGECLASSES,
    CSIDRIVERS,
    LEASES,
    VALIDATING_WEBHOOKS,
    ROLES,
    ROLEBINDINGS,
    CLUSTERROLES,
    CLUSTERROLEBINDINGS,
)

# No kind of its own: what the sub-resource `token` of a service account takes.
TOKENREQUESTS = _in("authentication.k8s.io/v1", "tokenrequests", "TokenRequest")
# And what the sub-resource `scale` of any workload is.
SCALES = _in("autoscaling/v1", "scales", "Scale")

# Handles for code that writes these kinds: enough for the store. What the API serves of them
# (schema, columns, versions) is made from their CRDs when those are installed.
WORKSPACES = _in(
    "kaito.sh/v1beta1",
    "workspaces",
    "Workspace",
    "wk",
    "wks",
    categories=("workspace",),
    subresources=STATUS,
    has_generation=True,
    is_custom=True,
    storage_version="v1beta1",
)
NODECLAIMS = _in(
    "karpenter.sh/v1",
    "nodeclaims",
    "NodeClaim",
    namespaced=False,
    categories=("karpenter",),
    subresources=STATUS,
    has_generation=True,
    is_custom=True,
    storage_version="v1",
)

_BY_PATH = {(row.group, row.version, row.plural): row for row in BUILT_IN}


def by_path(group: str, version: str, plural: str) -> Resource | None:
    """A built-in kind. Custom ones are found in the cluster's registry (`sandbox.registry`)."""
    return _BY_PATH.get((group, version, plural))


def key_of(crd: dict[str, Any]) -> Key:
    """What the store files the objects of this CRD under."""
    return (crd["spec"]["group"], crd["spec"]["names"]["plural"])


def resources_of(crd: dict[str, Any]) -> list[Resource]:
    """One row for each version that the CRD serves."""
    spec = crd["spec"]
    storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
    return [
        _custom(spec, version, storage) for version in spec["versions"] if version.get("served")
    ]


def _custom(spec: dict[str, Any], version: dict[str, Any], storage: str) -> Resource:
    names, below = spec["names"], version.get("subresources") or {}
    return Resource(
        group=spec["group"],
        version=version["name"],
        plural=names["plural"],
        singular=names.get("singular", names["kind"].lower()),
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames", ())),
        categories=tuple(names.get("categories", ())),
        subresources=tuple(name for name in ("status", "scale") if below.get(name) is not None),
        has_generation=True,
        storage_version=storage,
        is_custom=True,
        columns=tuple(version.get("additionalPrinterColumns", ())),
        schema=version["schema"]["openAPIV3Schema"],
        scale=below.get("scale"),
    )
