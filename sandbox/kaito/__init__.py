"""KAITO 0.12 in the sandbox, in NAP mode with the azure-gpu-provisioner: its CRDs, its webhook, its
controllers, and what Azure, scheduler and kubelet do for them. docs/sandbox.md is for its users.
"""

from sandbox.cluster import Cluster
from sandbox.kaito import control, seeds
from sandbox.kaito.admission import review
from sandbox.kaito.crd import CRDS

__all__ = ["install"]


def install(cluster: Cluster) -> None:
    """Furnishes a cluster, new or restored; the controllers start when it runs."""
    for crd in CRDS:
        cluster.install_crd(crd)
    cluster.admission.append(review)
    cluster.controllers.append(control.run)
    if cluster.seed and not cluster.is_restored:
        seeds.plant(cluster)
    elif not cluster.is_restored:
        seeds.add_base_namespaces(cluster)
