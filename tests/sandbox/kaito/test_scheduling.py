"""Placement, quality of service, environments: what scheduler and kubelet decide by."""

from __future__ import annotations

import base64

import pytest

from sandbox.kaito.environment import has_token, missing_reference
from sandbox.kaito.scheduling import choose_node
from sandbox.kaito.statefulsets import TOLERATIONS, qos

READY = [{"type": "Ready", "status": "True"}]


def node(name="n1", *, gpus=1, labels=None, taints=(), conditions=READY, **spec):
    return {
        "metadata": {"name": name, "labels": labels or {"apps": "phi"}},
        "spec": {
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}, *taints],
            **spec,
        },
        "status": {"conditions": conditions, "allocatable": {"nvidia.com/gpu": str(gpus)}},
    }


def pod(gpus=1, **spec):
    term = {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["phi"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    container = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    built = {
        "containers": [container],
        "affinity": {"nodeAffinity": required},
        "tolerations": TOLERATIONS,
    }
    return {"metadata": {"name": "phi-0", "namespace": "default"}, "spec": built | spec}


def used(**gpus):
    return lambda name: gpus.get(name, 0)


def test_pod_goes_to_a_fitting_node():
    assert choose_node(pod(), [node("n1", gpus=0), node("n2")], used())["metadata"]["name"] == "n2"


@pytest.mark.parametrize(
    ("nodes", "gpus", "said"),
    [
        ([], {}, "0/0 nodes are available: no nodes."),
        ([node(gpus=0)], {}, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."),
        ([node()], {"n1": 1}, "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."),
        (
            [node(labels={"apps": "x"}), node(labels={"apps": "y"})],
            {},
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        ),
        (
            [node(taints=[{"key": "t", "effect": "NoSchedule"}]), node(unschedulable=True)],
            {},
            "0/2 nodes are available: 1 node(s) had untolerated taint {t: }, 1 node(s) were "
            "unschedulable.",
        ),
        ([node(conditions=[])], {}, "0/1 nodes are available: 1 node(s) were not ready."),
    ],
)
def test_pod_that_fits_nowhere_is_told_why(nodes, gpus, said):
    assert choose_node(pod(), nodes, used(**gpus)) == said


def test_pod_without_gpus_may_share_a_node():
    assert choose_node(pod(gpus=0), [node()], used(n1=1))["metadata"]["name"] == "n1"


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, "BestEffort"),
        ({"limits": {"nvidia.com/gpu": "1"}}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources, wanted):
    assert qos({"containers": [{"resources": resources}]}) == wanted


def with_env(*env):
    return {
        "metadata": {"namespace": "default"},
        "spec": {"containers": [{"name": "main", "env": list(env)}]},
    }


def from_secret(name="HF_TOKEN", key="HF_TOKEN", **more):
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "hf", "key": key, **more}}}


def reader(data):
    return lambda kind, name: data


ENCODED = base64.b64encode(b"hf_x").decode()


@pytest.mark.parametrize(
    ("env", "data", "said"),
    [
        ((), None, None),
        ((from_secret(),), None, 'secret "hf" not found'),
        ((from_secret(optional=True),), None, None),
        ((from_secret(),), {}, "couldn't find key HF_TOKEN in Secret default/hf"),
        ((from_secret(),), {"HF_TOKEN": ENCODED}, None),
    ],
)
def test_reference_that_leads_nowhere(env, data, said):
    assert missing_reference(with_env(*env), reader(data)) == said


@pytest.mark.parametrize(
    ("env", "data", "has"),
    [
        ((), {"HF_TOKEN": ENCODED}, False),
        (({"name": "HF_TOKEN", "value": "hf_x"},), None, True),
        ((from_secret(),), {"HF_TOKEN": ENCODED}, True),
        ((from_secret(key="token"),), {"HF_TOKEN": ENCODED}, False),
        ((from_secret(),), {"HF_TOKEN": base64.b64encode(b" ").decode()}, False),
        ((from_secret(name="OTHER"),), {"HF_TOKEN": ENCODED}, False),
    ],
)
def test_token_is_in_the_environment(env, data, has):
    assert has_token(with_env(*env), reader(data)) is has
