"""LIST over HTTP: forms, pages, selectors, versions."""

import pytest

from sandbox.resources import CONFIGMAPS
from tests.sandbox.widgets import WIDGETS, WIDGETS_PATH, widget

pytestmark = pytest.mark.asyncio


def fill(cluster, count=5):
    for number in range(count):
        obj = widget(f"w{number}", size=number + 1)
        obj["metadata"]["labels"] = {"parity": "odd" if number % 2 else "even"}
        cluster.store.create(WIDGETS, obj, manager="test")


def names(answer):
    return [item["metadata"]["name"] for item in answer["items"]]


async def test_list_gives_items_and_its_version(api, cluster):
    fill(cluster, 2)

    answer = await api.get(WIDGETS_PATH)

    assert (answer["kind"], answer["apiVersion"]) == ("WidgetList", "example.com/v1")
    assert answer["metadata"] == {
        "continue": "", "resourceVersion": str(cluster.store.version),
    }  # fmt: skip
    assert answer["items"] == cluster.store.list(WIDGETS)


async def test_items_of_built_in_kinds_come_without_kind(api, cluster):
    cluster.store.create(
        CONFIGMAPS, {"metadata": {"name": "c", "namespace": "default"}}, manager="test"
    )

    answer = await api.get("/api/v1/configmaps")

    assert answer["kind"] == "ConfigMapList"
    assert sorted(answer["items"][0]) == ["metadata"]


async def test_list_is_limited_to_the_namespace(api, cluster):
    fill(cluster, 1)
    elsewhere = widget("far")
    elsewhere["metadata"]["namespace"] = "other"
    cluster.store.create(WIDGETS, elsewhere, manager="test")

    assert names(await api.get(WIDGETS_PATH)) == ["w0"]
    assert names(await api.get("/apis/example.com/v1/widgets")) == ["w0", "far"]


async def test_pages_show_one_moment(api, cluster):
    fill(cluster)

    first = await api.get(f"{WIDGETS_PATH}?limit=2")
    cluster.store.delete(WIDGETS, "default", "w3")
    cluster.store.create(WIDGETS, widget("w2a"), manager="test")
    second = await api.get(f"{WIDGETS_PATH}?limit=2&continue={first['metadata']['continue']}")
    third = await api.get(f"{WIDGETS_PATH}?limit=2&continue={second['metadata']['continue']}")

    assert [names(page) for page in (first, second, third)] == [["w0", "w1"], ["w2", "w3"], ["w4"]]
    assert [page["metadata"].get("remainingItemCount") for page in (first, second, third)] == [
        3, 1, None,
    ]  # fmt: skip
    versions = {page["metadata"]["resourceVersion"] for page in (first, second, third)}
    assert versions == {first["metadata"]["resourceVersion"]}


async def test_an_expired_page_offers_the_inconsistent_rest(api, cluster):
    fill(cluster)
    first = await api.get(f"{WIDGETS_PATH}?limit=2")
    cluster.store.create(WIDGETS, widget("w9"), manager="test")
    cluster.store.compact()

    code, status = await api.call(
        "GET", f"{WIDGETS_PATH}?limit=9&continue={first['metadata']['continue']}"
    )
    rest = await api.get(f"{WIDGETS_PATH}?limit=9&continue={status['metadata']['continue']}")

    assert (code, status["reason"]) == (410, "Expired")
    assert names(rest) == ["w2", "w3", "w4", "w9"]


async def test_a_made_up_token_is_refused(api):
    code, status = await api.call("GET", f"{WIDGETS_PATH}?continue=nonsense")

    assert (code, status["reason"]) == (400, "BadRequest")


async def test_pages_and_selectors_work_together(api, cluster):
    fill(cluster)

    first = await api.get(f"{WIDGETS_PATH}?limit=2&labelSelector=parity%3Deven")
    token = first["metadata"]["continue"]
    second = await api.get(f"{WIDGETS_PATH}?limit=2&labelSelector=parity%3Deven&continue={token}")

    assert [names(first), names(second)] == [["w0", "w2"], ["w4"]]
    assert "remainingItemCount" not in first["metadata"]


async def test_field_selector_selects_by_name(api, cluster):
    fill(cluster)

    assert names(await api.get(f"{WIDGETS_PATH}?fieldSelector=metadata.name%3Dw3")) == ["w3"]


async def test_exact_version_shows_the_past(api, cluster):
    fill(cluster, 1)
    version = cluster.store.version
    cluster.store.create(WIDGETS, widget("later"), manager="test")

    exact = f"{WIDGETS_PATH}?resourceVersion={version}&resourceVersionMatch=Exact"

    assert names(await api.get(exact)) == ["w0"]
    newer = f"{WIDGETS_PATH}?resourceVersion={version}&resourceVersionMatch=NotOlderThan"
    assert names(await api.get(newer)) == ["later", "w0"]


async def test_a_version_of_the_future_is_too_large(api, cluster):
    code, status = await api.call("GET", f"{WIDGETS_PATH}?resourceVersion=999")

    assert (code, status["reason"]) == (504, "Timeout")
    assert status["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("resourceVersionMatch=Exact", "resourceVersionMatch"),
        ("resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch"),
        ("resourceVersion=1&resourceVersionMatch=Sometimes", "resourceVersionMatch"),
        ("resourceVersion=1&resourceVersionMatch=Exact&continue=x", "resourceVersionMatch"),
        ("sendInitialEvents=true", "sendInitialEvents"),
    ],
)
async def test_contradicting_options_are_invalid(api, query, field):
    code, status = await api.call("GET", f"{WIDGETS_PATH}?{query}")

    assert code == 422
    assert [cause["field"] for cause in status["details"]["causes"]] == [field]


async def test_metadata_alone_can_be_asked_for(api, cluster):
    fill(cluster, 1)
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

    answer = await api.get(WIDGETS_PATH, Accept=accept)

    assert answer["kind"] == "PartialObjectMetadataList"
    assert [sorted(item) for item in answer["items"]] == [["apiVersion", "kind", "metadata"]]


async def test_another_version_follows_its_own_schema(api, cluster):
    fill(cluster, 1)

    answer = await api.get("/apis/example.com/v1old/namespaces/default/widgets")

    assert answer["items"][0]["apiVersion"] == "example.com/v1old"
    assert answer["items"][0]["spec"] == {"size": 1}


async def test_only_json_is_written(api):
    code, status = await api.call("GET", WIDGETS_PATH, Accept="application/vnd.kubernetes.protobuf")

    assert (code, status["reason"]) == (406, "NotAcceptable")


async def test_ten_thousand_objects_are_paged_quickly(api, cluster):
    for number in range(10_000):
        cluster.store.load(
            WIDGETS,
            [widget(f"w{number:05}") | {"metadata": _metadata(number)}],
        )
    clock = cluster.clock

    began = clock.now()
    seen, token = 0, ""
    while True:
        page = await api.get(f"{WIDGETS_PATH}?limit=500&continue={token}")
        seen += len(page["items"])
        token = page["metadata"].get("continue", "")
        if not token:
            break

    assert seen == 10_000
    assert (clock.now() - began).total_seconds() < 2


def _metadata(number):
    return {
        "name": f"w{number:05}",
        "namespace": "default",
        "uid": str(number),
        "resourceVersion": "1",
        "annotations": {"padding": "x" * 1_000},
    }
