"""KAITO in the sandbox: its CRDs, its webhook, its controllers, and what Azure, scheduler and kubelet
do for them. Which KAITO is a matter of `releases.py`. docs/sandbox.md is for its users.
"""

from functools import partial

from sandbox.cluster import Cluster
from sandbox.kaito import control, seeds
from sandbox.kaito.crd import crds
from sandbox.kaito.releases import Edition
from sandbox.kaito.webhook import Webhook

__all__ = ["install"]


def install(cluster: Cluster, edition: Edition | None = None) -> None:
    """Furnishes a cluster, new or restored; the controllers start when it runs."""
    edition = edition or Edition()
    for crd in crds(edition):
        cluster.install_crd(crd)
    cluster.admission.append(Webhook(edition).review)
    cluster.controllers.append(partial(control.run, edition=edition))
    if cluster.is_restored:
        return
    if cluster.seed:
        seeds.plant(cluster, edition)
    else:
        seeds.add_base_namespaces(cluster)
