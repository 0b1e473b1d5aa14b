"""Strategic merge patch: lists by key, directives, order; pure and over HTTP."""

import pytest

from sandbox import kinds
from sandbox.shapes import RootShape
from sandbox.status import StatusError
from sandbox.strategic import merge

DEPLOYMENT = RootShape(kinds.built_in("Deployment"))
PATH = "/apis/apps/v1/namespaces/default/deployments"
KIND = "application/strategic-merge-patch+json"
DELETE, REPLACE = {"$patch": "delete"}, {"$patch": "replace"}


def patched(target, patch):
    """Of a pod template's spec."""
    wrapped = [{"spec": {"template": {"spec": each}}} for each in (target, patch)]
    return merge(*wrapped, DEPLOYMENT)["spec"]["template"]["spec"]


A, B, C = ({"name": name, "image": f"{name}:1"} for name in "abc")


def order(*names):
    return {"$setElementOrder/containers": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"containers": [{"name": "a", "image": "a:2"}]}, [A | {"image": "a:2"}, B]),
        ({"containers": [C]}, [C, A, B]),
        ({"containers": [{"name": "b", "args": ["x"]}]}, [A, B | {"args": ["x"]}]),
        ({"containers": [{"name": "a", "image": None}]}, [{"name": "a"}, B]),
        ({"containers": [{"name": "a"} | DELETE]}, [B]),
        ({"containers": [{"name": "gone"} | DELETE]}, [A, B]),
        ({"containers": [REPLACE, C]}, [C]),
        ({"containers": [{"name": "a", "args": ["x"]} | REPLACE]}, []),
        ({"containers": [C]} | order("a", "b", "c"), [A, B, C]),
        (order("b", "a"), [B, A]),
        ({"containers": [C]} | order("b", "c"), [A, B, C]),
        ({"containers": []}, [A, B]),
        ({"containers": None}, None),
    ],
)
def test_containers_merge_by_name(patch, expected):
    before = {"containers": [dict(A), dict(B)]}

    assert patched(before, patch).get("containers") == expected
    assert before == {"containers": [A, B]}


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]},
         {"tolerations": [{"key": "b"}]}),
        ({"nodeSelector": {"a": "1", "b": "2"}}, {"nodeSelector": {"b": None, "c": "3"}},
         {"nodeSelector": {"a": "1", "c": "3"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": {"b": "2"} | REPLACE},
         {"nodeSelector": {"b": "2"}}),
        ({"nodeSelector": {"a": "1"}}, {"nodeSelector": DELETE}, {"nodeSelector": {}}),
        ({"containers": [A | {"ports": [{"containerPort": 80}]}]},
         {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}]},
         {"containers": [A | {"ports": [{"containerPort": 80, "name": "http"}]}]}),
        ({"containers": [A | {"env": [{"name": "X", "value": "1"}]}]},
         {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]},
         {"containers": [A | {"env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]}]}),
        ({"volumes": [{"name": "v", "emptyDir": {}}]},
         {"volumes": [{"$retainKeys": ["name", "hostPath"], "name": "v",
                       "hostPath": {"path": "/x"}}]},
         {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
        ({}, {"containers": [A]}, {"containers": [A]}),
        ({"hostname": "a"}, {"hostname": "b", "subdomain": "c"},
         {"hostname": "b", "subdomain": "c"}),
    ],
)  # fmt: skip
def test_each_field_merges_in_its_own_way(target, patch, expected):
    assert patched(target, patch) == expected


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"finalizers": ["c"]}, ["c", "a", "b"]),
        ({"finalizers": ["a", "c"]}, ["a", "c", "b"]),
        ({"$deleteFromPrimitiveList/finalizers": ["a"]}, ["b"]),
        ({"$setElementOrder/finalizers": ["a", "b", "c"], "finalizers": ["c"]}, ["a", "b", "c"]),
    ],
)
def test_sets_of_plain_values_grow_and_shrink(patch, expected):
    target = {"metadata": {"finalizers": ["a", "b"]}}

    assert merge(target, {"metadata": patch}, DEPLOYMENT)["metadata"]["finalizers"] == expected


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"containers": [{"image": "x"}]}, 500),
        ({"containers": [{"name": "a", "$patch": "shuffle"}]}, 500),
        ({"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]}, 400),
    ],
)
def test_a_patch_that_says_nonsense_is_refused(patch, code):
    with pytest.raises(StatusError) as caught:
        patched({"containers": [A]}, patch)

    assert caught.value.code == code


@pytest.mark.asyncio
async def test_a_deployment_is_patched_strategically(api):
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [A, B]}}
    body = {"metadata": {"name": "d"}}
    body["spec"] = {"selector": {"matchLabels": labels}, "template": template}
    await api.post(PATH, body)
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}}

    code, obj = await api.call("PATCH", f"{PATH}/d", patch, kind=KIND)

    containers = obj["spec"]["template"]["spec"]["containers"]
    images = [(each["name"], each["image"]) for each in containers]
    assert (code, images) == (200, [("a", "a:1"), ("b", "b:2")])
    assert obj["metadata"]["generation"] == 2


@pytest.mark.asyncio
async def test_an_unknown_kind_of_patch_is_not_taken(api):
    await api.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}})

    code, answer = await api.call(
        "PATCH", "/api/v1/namespaces/default/configmaps/c", {}, kind="text/plain"
    )

    assert (code, answer["message"]) == (415, "415: Unsupported Media Type")


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"[]", b"1", b"null"])
async def test_a_patch_of_an_object_is_an_object(api, body):
    await api.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "c"}})

    codes = [
        (await api.call("PATCH", "/api/v1/namespaces/default/configmaps/c", body, kind=kind))[0]
        for kind in (KIND, "application/merge-patch+json")
    ]

    assert codes == [400, 400]
