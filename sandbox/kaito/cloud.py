"""Why Azure makes no VM: quota, capacity, or a credential that it does not take. Pure.

Reasons are those of https://github.com/Azure/karpenter-provider-azure, texts those of Azure.
https://learn.microsoft.com/azure/virtual-machines/error-codes-spot
"""

from __future__ import annotations

import re

from sandbox.kaito.failures import CAPACITY, CLOUD_AUTH, SKU_UNAVAILABLE
from sandbox.kaito.presets import Sku
from sandbox.kaito.triggers import LOCATION

EXHAUSTED_SIZE = re.compile(r"^standard_nd\d+isr_h200_v5$", re.IGNORECASE)
PREFIX = "creating instance failed: "


def cloud_problem(sku: Sku, failure: str) -> tuple[str, str] | None:
    """Reason and text. `failure` is what the workspace asks for."""
    quota = quota_refusal(sku)
    if quota is not None:
        return "SubscriptionQuotaReached", quota
    if failure == CAPACITY:
        return "ZonalAllocationFailure", (
            f"{PREFIX}ZonalAllocationFailed: Allocation failed. We do not have sufficient capacity "
            "for the requested VM size in this zone. Read more about improving likelihood of "
            "allocation success at http://aka.ms/allocation-guidance"
        )
    if failure == SKU_UNAVAILABLE:
        return "SKUNotAvailable", (
            f"{PREFIX}SkuNotAvailable: The requested VM size for resource 'Following SKUs have "
            f"failed for Capacity Restrictions: {sku.name}' is currently not available in location "
            f"'{LOCATION}'. Please try another size or deploy to a different location or different "
            "zone. See https://aka.ms/azureskunotavailable for details."
        )
    if failure == CLOUD_AUTH:
        return "CreateInstanceFailed", (
            f"{PREFIX}AuthorizationFailed: The client 'gpu-provisioner' with object id "
            "'00000000-0000-0000-0000-000000000000' does not have authorization to perform action "
            "'Microsoft.ContainerService/managedClusters/agentPools/write' over scope "
            "'/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-sandbox' or the "
            "scope is invalid."
        )
    return None


def quota_refusal(sku: Sku) -> str | None:
    """Azure's text for a size whose family has no quota left in the pretended subscription."""
    if not EXHAUSTED_SIZE.match(sku.name):
        return None
    return (
        "creating instance failed: OperationNotAllowed: Operation could not be completed as it "
        f"results in exceeding approved {sku.family} Cores quota. Additional details - "
        f"Deployment Model: Resource Manager, Location: {LOCATION}, Current Limit: 0, "
        f"Current Usage: 0, Additional Required: {sku.vcpus}, (Minimum) New Limit Required: "
        f"{sku.vcpus}. Setup Alerts when Quota reaches threshold. Learn more at "
        "https://aka.ms/quotamonitoringalerting . Submit a request for Quota increase in the Azure "
        "portal. Please read more about quota limits at "
        "https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests"
    )
