"""Table answers: what `kubectl get` shows."""

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import rfc3339
from sandbox.durations import human
from sandbox.jsonpath import first
from sandbox.printers import PRINTERS
from tests.sandbox.widgets import WIDGETS, WIDGETS_PATH, widget

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (599, "9m59s"),
        (600, "10m"), (10_799, "179m"), (10_800, "3h"), (12_000, "3h20m"), (28_800, "8h"),
        (172_799, "47h"), (172_800, "2d"), (180_000, "2d2h"), (691_200, "8d"),
        (63_072_000, "2y"), (70_000_000, "2y80d"), (315_360_000, "10y"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_writes_them(seconds, expected):
    assert human(seconds) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".a.b", 1),
        (".missing.b", None),
        (r".labels.node\.kubernetes\.io/type", "D16"),
        (".items[1].name", "two"),
        (".items[9].name", None),
        ('.conditions[?(@.type=="Ready")].status', "True"),
        ('.conditions[?(@.type=="Other")].status', None),
        (".a.b.c", None),
    ],
)
def test_jsonpath_finds(path, expected):
    obj = {
        "a": {"b": 1},
        "labels": {"node.kubernetes.io/type": "D16"},
        "items": [{"name": "one"}, {"name": "two"}],
        "conditions": [{"type": "Old", "status": "False"}, {"type": "Ready", "status": "True"}],
    }

    assert first(obj, path) == expected


def cells(kind, obj):
    obj.setdefault("metadata", {})["creationTimestamp"] = rfc3339(NOW - timedelta(minutes=5))
    return [column.cell(obj, NOW) for column in PRINTERS[kind]]


def container(**rest):
    return {"name": "c", "ready": False, "restartCount": 0, "state": {}} | rest


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"phase": "Pending"}, ["0/1", "Pending", "0"]),
        ({"phase": "Running", "containerStatuses": [container(ready=True)]}, ["1/1", "Running", "0"]),
        ({"phase": "Pending", "containerStatuses": [
            container(state={"waiting": {"reason": "ImagePullBackOff"}})]},
         ["0/1", "ImagePullBackOff", "0"]),
        ({"phase": "Running", "containerStatuses": [
            container(restartCount=3, state={"waiting": {"reason": "CrashLoopBackOff"}},
                      lastState={"terminated": {"finishedAt": rfc3339(NOW - timedelta(seconds=9))}})]},
         ["0/1", "CrashLoopBackOff", "3 (9s ago)"]),
    ],
)  # fmt: skip
def test_pods_show_what_is_wrong(status, expected):
    pod = {"spec": {"containers": [{"name": "c"}], "nodeName": "n1"}, "status": status}

    row = cells(("", "pods"), pod)

    assert [*row[:4], row[5]] == [*expected, "5m", "n1"]


def test_a_pod_that_goes_is_terminating():
    pod = {"metadata": {"deletionTimestamp": rfc3339(NOW)}, "status": {"phase": "Running"}}

    assert cells(("", "pods"), pod)[1] == "Terminating"


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"type": "ClusterIP", "clusterIP": "10.0.0.5", "ports": [{"port": 80}]}, {},
         ["ClusterIP", "10.0.0.5", "<none>", "80/TCP"]),
        ({"type": "LoadBalancer", "clusterIP": "10.0.0.5",
          "ports": [{"port": 80, "nodePort": 31000, "protocol": "TCP"}]}, {},
         ["LoadBalancer", "10.0.0.5", "<pending>", "80:31000/TCP"]),
        ({"type": "LoadBalancer", "clusterIP": "10.0.0.5"},
         {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
         ["LoadBalancer", "10.0.0.5", "203.0.113.7", "<none>"]),
    ],
)  # fmt: skip
def test_services_show_their_addresses(spec, status, expected):
    assert cells(("", "services"), {"spec": spec, "status": status})[:4] == expected


def test_nodes_show_whether_they_are_ready():
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/agent": ""}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "False"}],
            "nodeInfo": {"kubeletVersion": "v1.36.3"},
        },
    }

    assert cells(("", "nodes"), node)[:4] == [
        "NotReady,SchedulingDisabled",
        "agent",
        "5m",
        "v1.36.3",
    ]


@pytest.mark.asyncio
async def test_custom_columns_come_from_the_crd(api, cluster):
    obj = cluster.store.create(WIDGETS, widget(size=4), manager="test")
    cluster.store.update(
        WIDGETS, obj | {"status": {"phase": "Ready"}}, manager="k", subresource="status"
    )

    table = await api.get(WIDGETS_PATH, Accept=TABLE)

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [(each["name"], each["type"], each["priority"]) for each in table["columnDefinitions"]] == [
        ("Name", "string", 0), ("Size", "integer", 0), ("Phase", "string", 1), ("Age", "date", 0),
    ]  # fmt: skip
    row = table["rows"][0]
    assert row["cells"] == ["w", 4, "Ready", "0s"]
    assert sorted(row["object"]) == ["apiVersion", "kind", "metadata"]
    assert table["metadata"] == {"resourceVersion": str(cluster.store.version)}


@pytest.mark.asyncio
@pytest.mark.parametrize(("include", "keys"), [("None", None), ("Object", ["spec"])])
async def test_rows_carry_as_much_of_the_object_as_asked(api, cluster, include, keys):
    cluster.store.create(WIDGETS, widget(), manager="test")

    table = await api.get(f"{WIDGETS_PATH}?includeObject={include}", Accept=TABLE)

    row = table["rows"][0]
    assert ("object" in row) is (keys is not None)
    assert keys is None or set(keys) <= set(row["object"])


@pytest.mark.asyncio
async def test_one_object_can_be_a_table_too(api, cluster):
    cluster.store.create(WIDGETS, widget(size=2), manager="test")

    table = await api.get(f"{WIDGETS_PATH}/w", Accept=TABLE)

    assert [row["cells"][:2] for row in table["rows"]] == [["w", 2]]
