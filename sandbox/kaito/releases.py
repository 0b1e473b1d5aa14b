"""Which KAITO the sandbox plays, and what differs between the releases: one table, read everywhere.

AKS ships what it ships, so a dashboard meets old ones. https://github.com/kaito-project/kaito/releases
"""

from __future__ import annotations

from dataclasses import dataclass

REGISTRY = "mcr.microsoft.com/aks/kaito"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    version: str
    tag: str  # of the operator's image
    base_tag: str  # of kaito-base, which presets and tuning run
    engine_version: str
    has_state: bool  # status.state, with status and reasons worked out anew in every look
    has_benchmark: bool  # a load test before a preset counts as ready, status.performance
    has_hub_models: bool  # any Hugging Face id is a preset, its weights come from there
    has_partitions: bool
    uses_stateful_sets: bool  # for all workloads; before, one-node ones were Deployments

    @property
    def base_image(self) -> str:
        return f"{REGISTRY}/kaito-base:{self.base_tag}"


CURRENT = Release(
    version="0.12",
    tag="0.12.0",
    base_tag="0.5.0",
    engine_version="0.25.1",
    has_state=True,
    has_benchmark=True,
    has_hub_models=True,
    has_partitions=True,
    uses_stateful_sets=True,
)
OLD = Release(
    version="0.7",
    tag="0.7.0",
    base_tag="0.0.8",
    engine_version="0.10.1.1",
    has_state=False,
    has_benchmark=False,
    has_hub_models=False,
    has_partitions=False,
    uses_stateful_sets=False,
)
RELEASES = {release.version: release for release in (CURRENT, OLD)}
PROVISIONERS = ("azure-gpu-provisioner", "byo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A release with the controller's flag `--node-provisioner`."""

    release: Release = CURRENT
    provisioner: str = PROVISIONERS[0]

    @property
    def makes_nodes(self) -> bool:
        """Node auto-provisioning; without it a workspace finds its nodes by their labels."""
        return self.provisioner != "byo"


def edition_of(version: str, provisioner: str = PROVISIONERS[0]) -> Edition:
    """Raises KeyError for a release that the sandbox cannot play."""
    return Edition(release=RELEASES[version], provisioner=provisioner)


def engine_version(image: str) -> str:
    """Of the vLLM in a kaito-base image."""
    return OLD.engine_version if image.endswith(f":{OLD.base_tag}") else CURRENT.engine_version
