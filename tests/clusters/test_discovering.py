from __future__ import annotations

from clusters.discovering import parse_groups

AGGREGATED = [
    {
        "kind": "APIGroupDiscoveryList",
        "items": [{"versions": [{"version": "v1", "resources": [{"resource": "pods"}]}]}],
    },
    {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": "kaito.sh"},
                "versions": [
                    {
                        "version": "v1beta1",
                        "resources": [{"resource": "workspaces"}, {"resource": "inferencesets"}],
                    },
                    {"version": "v1alpha1"},
                ],
            }
        ],
    },
]
PLAIN = [
    {"kind": "APIVersions", "versions": ["v1"]},
    {
        "kind": "APIGroupList",
        "groups": [
            {"name": "kaito.sh", "versions": [{"groupVersion": "kaito.sh/v1beta1"}]},
            {"name": "policy", "versions": [{"groupVersion": "policy/v1"}]},
        ],
    },
]
LISTS = {
    "/api/v1": {"resources": [{"name": "pods/log"}, {"name": "pods"}]},
    "/apis/kaito.sh/v1beta1": {
        "resources": [{"name": "workspaces/status"}, {"name": "workspaces"}]
    },
}


def test_parse_reads_the_aggregated_form_without_further_requests():
    served = parse_groups(AGGREGATED, fetch=lambda path: 1 / 0)

    assert served == {
        "v1": ["pods"],
        "kaito.sh/v1beta1": ["inferencesets", "workspaces"],
        "kaito.sh/v1alpha1": [],
    }


def test_parse_asks_for_the_groups_that_matter_in_the_plain_form():
    assert parse_groups(PLAIN, fetch=LISTS.__getitem__) == {
        "v1": ["pods"],
        "kaito.sh/v1beta1": ["workspaces"],
    }
