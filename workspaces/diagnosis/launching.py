"""Why no node comes: refusals of Azure, a node that never joins, an operator that cannot go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from workspaces.diagnosis.shapes import Action, Cause, Fix
from workspaces.diagnosis.sightings import Sight

OTHER_TYPE = Fix(
    title="Deploy again with another instance type",
    text="The instance type of a workspace cannot be changed. The form opens with this model filled in.",
    icon="switch-horizontal",
    action=Action.REDEPLOY,
)
DELETE = Fix(
    title="Delete this workspace",
    text="Its page, events and history stay here.",
    icon="trash",
    action=Action.DELETE,
)
NODE_PATIENCE = timedelta(minutes=20)  # Azure needs 3 to 10 for a GPU machine
PLUGIN_PATIENCE = timedelta(minutes=15)
NOTICE_PATIENCE = timedelta(minutes=2)

# Reasons that only say "not yet".
# https://github.com/kaito-project/kaito/blob/v0.12.0/api/v1beta1/condition_types.go
PENDING_REASONS = {
    "",
    "AwaitingReconciliation",
    "NodeClaimNotReady",
    "NodeNotReady",
    "NodePluginsNotReady",
    "workspaceResourceStatusNotReady",
    "ModelMirrorPending",
    "NodeNotFound",
    "NotRegistered",
    "NodeNotRegistered",
    "ResourceNotRegistered",
}

# Words in Azure's refusal → key. https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
REFUSALS = (
    ("quota", re.compile(r"quota|OperationNotAllowed", re.I)),
    ("capacity", re.compile(r"AllocationFailed|SkuNotAvailable|Overconstrained|capacity", re.I)),
    (
        "rights",
        re.compile(r"AuthorizationFailed|AuthenticationFailed|not have authorization", re.I),
    ),
    (
        "unknown-size",
        re.compile(r"(instance type|vm ?size|sku).{0,200}(not found|invalid|unknown)", re.I),
    ),
)
QUOTA_NUMBERS = re.compile(
    r"Current Limit: (\d{1,9}), Current Usage: (\d{1,9}).{0,200}?Required: (\d{1,9})", re.S
)


def refused_node(sight: Sight) -> Cause | None:
    """The cloud refused the machine; the operator tries again by itself."""
    evidence = next(_launch_errors(sight), None)
    if not evidence or sight.has_nodes():
        return None
    text = "\n".join(evidence)
    key = next((k for k, pattern in REFUSALS if pattern.search(text)), "launch")
    title, explanation, fixes = _refusal_words(key, text, sight)
    return Cause(
        key=key, title=title, text=explanation, stage="node", evidence=evidence, fixes=fixes
    )


def _launch_errors(sight: Sight) -> Iterator[tuple[str, ...]]:
    """Best witness first: the node claim itself, then KAITO's copy of it (cut at 256 characters), then events."""
    for claim in sight.claims:
        for kind in ("Launched", "Registered", "Initialized"):
            mark = claim.condition(kind)
            if mark and mark.status == "False" and mark.reason not in PENDING_REASONS:
                head = f"NodeClaim {claim.name}  {kind}=False  {mark.reason}"
                yield (head, *mark.message.splitlines())
    for kind in ("NodeClaimReady", "ResourceReady"):
        condition = sight.workspace.status.condition(kind)
        if condition and condition.status == "False" and condition.reason not in PENDING_REASONS:
            yield (f"{kind}=False  {condition.reason}", *condition.message.splitlines())
    for event in sight.events:
        if event.type == "Warning" and event.reason in ("NodeClaimCreationFailed", "LaunchFailed"):
            yield (f"Event {event.reason} on {event.object_name}", *event.message.splitlines())


def _refusal_words(key: str, text: str, sight: Sight) -> tuple[str, str, tuple[Fix, ...]]:
    size = sight.workspace.instance_type or "the instance type"
    again = "KAITO tries again by itself. No machine was created, so nothing is billed."
    if key == "quota":
        numbers = QUOTA_NUMBERS.search(text)
        used = (
            f"{numbers[2]} of {numbers[1]} cores are in use, {numbers[3]} more are needed. "
            if numbers
            else ""
        )
        ask = Fix(
            title="Ask Azure for more quota",
            text="In the Azure portal: Quotas → Compute, the family and region named above. KAITO goes on by itself once it is granted.",
            icon="external-link",
        )
        return (
            (
                "Azure refused the GPU node: quota used up"
                if sight.is_gpu
                else "Azure refused the node: quota used up"
            ),
            used + again,
            (OTHER_TYPE, ask, DELETE),
        )
    if key == "capacity":
        wait = Fix(
            title="Wait",
            text="Capacity in a region comes and goes; KAITO keeps asking.",
            icon="hourglass",
        )
        return f"Azure has no {size} free in this region now", again, (wait, OTHER_TYPE, DELETE)
    if key == "rights":
        grant = Fix(
            title="Grant the node provisioner its role",
            text="The identity of gpu-provisioner (or Karpenter) needs Contributor on the cluster's node resource group.",
            icon="shield-check",
        )
        return "The cluster may not create machines in Azure", again, (grant, DELETE)
    if key == "unknown-size":
        return f"Azure does not know {size} here", again, (OTHER_TYPE, DELETE)
    return "The node could not be launched", again, (OTHER_TYPE, DELETE)


def slow_node(sight: Sight) -> Cause | None:
    """A node that was launched but does not become usable for a long time."""
    condition = sight.workspace.status.condition("NodesReady")
    if sight.has_nodes() or condition is None or condition.is_true:
        return None
    if condition.since is None:
        return None
    is_plugin = condition.reason == "NodePluginsNotReady"
    if sight.now - condition.since < (PLUGIN_PATIENCE if is_plugin else NODE_PATIENCE):
        return None
    evidence = (f"NodesReady=False  {condition.reason}", *condition.message.splitlines())
    if is_plugin:
        driver = Fix(
            title="Look at the GPU device plugin",
            text="The node shows no nvidia.com/gpu. Check that the NVIDIA device plugin runs there and tolerates the taint sku=gpu.",
            icon="cpu",
        )
        return Cause(
            key="plugin",
            title="The node does not offer its GPU",
            text="The machine has joined, but Kubernetes sees no GPU on it.",
            stage="node",
            evidence=evidence,
            fixes=(driver, DELETE),
            is_blocking=False,
        )
    casing = Fix(
        title="Check the spelling of the instance type",
        text="KAITO accepts any casing at first, but compares exactly with the node's label later.",
        icon="edit",
    )
    return Cause(
        key="node-slow",
        title="The node takes unusually long",
        text="Machines of this kind are usually there within ten minutes.",
        stage="node",
        evidence=evidence,
        fixes=(casing, OTHER_TYPE, DELETE),
        is_blocking=False,
    )


def stopped_operator(sight: Sight) -> Cause | None:
    """KAITO says in every condition why its last pass failed; transient write conflicts are its daily bread."""
    error = sight.workspace.status.reconcile_error
    if not error or "the object has been modified" in error:
        return None
    evidence = (f"last reconcile error: {error}",)
    if "failed to get GPU config" in error:
        return Cause(
            key="size-without-gpu",
            title="KAITO cannot use this instance type for a preset",
            text="It passed admission, but KAITO knows no GPU for it and will not go on.",
            stage="node",
            evidence=evidence,
            fixes=(OTHER_TYPE, DELETE),
        )
    if "failed to resolve access token" in error:
        secret = Fix(
            title="Create the Secret",
            text=f"In namespace {sight.workspace.namespace}, with the key HF_TOKEN. KAITO goes on by itself.",
            icon="key",
        )
        return Cause(
            key="token-missing",
            title="The Secret with the Hugging Face token is missing",
            text="KAITO looks the model up on Hugging Face before it buys a node, and needs the token for that.",
            stage="node",
            evidence=evidence,
            fixes=(secret, DELETE),
        )
    return Cause(
        key="reconcile",
        title="KAITO reports an error",
        text="It tries again by itself; if it stays, the operator's log tells more.",
        stage="node" if not sight.has_nodes() else "weights",
        evidence=evidence,
        fixes=(DELETE,),
        is_blocking=False,
    )


def silent_operator(sight: Sight) -> Cause | None:
    """No finalizer, no condition: the operator has not looked at the object at all."""
    created = sight.workspace.created_at
    if sight.workspace.status.conditions or sight.workspace.finalizers or created is None:
        return None
    if sight.now - created < NOTICE_PATIENCE:
        return None
    look = Fix(
        title="Look at KAITO's operator",
        text="kubectl -n kaito-workspace get pods. A wrong adapter also makes KAITO skip a workspace without a word.",
        icon="terminal-2",
    )
    return Cause(
        key="silent",
        title="KAITO does not take notice of this workspace",
        text="The object exists, but the operator has written nothing to it.",
        stage="accepted",
        fixes=(look, DELETE),
        is_blocking=False,
    )
