"""Strategic merge: how built-in kinds merge their lists and maps.

https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from __future__ import annotations

from tests.conformance.asking import (
    MERGE_PATCH,
    STRATEGIC_PATCH,
    config_map,
    core,
    details,
    made,
    patched,
    pod,
    refusal,
    sent,
)


def test_a_strategy_merges_lists_by_their_key(http, space):
    path = core(space, "pods")
    body = pod()
    body["spec"]["containers"].append({"name": "side", "image": "example.com/side:1"})
    made(http, path, body)

    change = {"spec": {"containers": [{"name": "side", "image": "example.com/side:2"}]}}
    changed = patched(http, f"{path}/p", change, STRATEGIC_PATCH).json()

    found = {each["name"]: each["image"] for each in changed["spec"]["containers"]}
    assert found == {"main": "example.com/main:1", "side": "example.com/side:2"}


def test_a_strategy_merges_maps_and_takes_out_what_is_null(http, space):
    path = core(space, "configmaps")
    made(http, path, config_map(a="1", b="2"))

    changed = patched(http, f"{path}/c", {"data": {"a": None, "c": "3"}}, STRATEGIC_PATCH).json()

    assert changed["data"] == {"b": "2", "c": "3"}


def test_a_strategy_can_replace_a_map(http, space):
    path = core(space, "configmaps")
    made(http, path, config_map(a="1", b="2"))

    body = {"data": {"$patch": "replace", "c": "3"}}
    changed = patched(http, f"{path}/c", body, STRATEGIC_PATCH).json()

    assert changed["data"] == {"c": "3"}


def test_a_strategy_merges_owners_by_uid(http, space):
    path = core(space, "configmaps")
    first, second = (owner(made(http, path, config_map(name))) for name in "ab")
    body = config_map()
    body["metadata"]["ownerReferences"] = [first]
    made(http, path, body)

    change = {"metadata": {"ownerReferences": [second]}}
    changed = patched(http, f"{path}/c", change, STRATEGIC_PATCH).json()

    found = {each["uid"] for each in changed["metadata"]["ownerReferences"]}
    assert found == {first["uid"], second["uid"]}


def owner(obj):
    about = {key: obj[key] for key in ("apiVersion", "kind")}
    return about | {key: obj["metadata"][key] for key in ("name", "uid")}


def test_a_strategy_merges_finalizers_as_a_set(http, space):
    path = core(space, "configmaps")
    body = config_map()
    body["metadata"]["finalizers"] = ["example.com/a"]
    made(http, path, body)

    change = {"metadata": {"finalizers": ["example.com/b"]}}
    changed = patched(http, f"{path}/c", change, STRATEGIC_PATCH).json()

    assert sorted(changed["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]


def test_a_built_in_kind_takes_four_media_types(http, space):
    path = core(space, "configmaps")
    made(http, path, config_map())

    kinds = [MERGE_PATCH, STRATEGIC_PATCH, "application/apply-patch+yaml", "application/json"]
    answers = [
        sent(http, "PATCH", f"{path}/c", kind, config_map(), fieldManager="x").status_code
        for kind in kinds
    ]
    refused = sent(http, "PATCH", f"{path}/c", "application/json", {})

    assert answers == [200, 200, 200, 415]
    text = "415: Unsupported Media Type"
    assert refusal(refused) == (415, "UnsupportedMediaType", text)
    assert details(refused) == {}
