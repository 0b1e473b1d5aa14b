"""Kinds of objects that kaitoweb speaks of, and their paths."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to list, watch or write: a kind, in one namespace or (empty) in all, narrowed by selectors."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection_path(self) -> str:
        return self.path(self.namespace)

    def path(self, namespace: str = "", name: str = "") -> str:
        """Path of the collection, or of one object."""
        parts = ["/apis" if self.group else "/api", self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


WORKSPACES = Target(group="kaito.sh", version="v1beta1", plural="workspaces", kind="Workspace")
# KAITO labels the pods, but not the Services and workloads that it makes; those are known by their owner only:
# https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/manifests/manifests.go
PODS = Target(
    group="", version="v1", plural="pods", kind="Pod", label_selector="kaito.sh/workspace"
)
SERVICES = Target(group="", version="v1", plural="services", kind="Service")
STATEFULSETS = Target(group="apps", version="v1", plural="statefulsets", kind="StatefulSet")
DEPLOYMENTS = Target(group="apps", version="v1", plural="deployments", kind="Deployment")
JOBS = Target(group="batch", version="v1", plural="jobs", kind="Job")
NODECLAIMS = Target(
    group="karpenter.sh", version="v1", plural="nodeclaims", kind="NodeClaim", namespaced=False
)
EVENTS = Target(group="", version="v1", plural="events", kind="Event")
NAMESPACES = Target(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
SECRETS = Target(group="", version="v1", plural="secrets", kind="Secret")
