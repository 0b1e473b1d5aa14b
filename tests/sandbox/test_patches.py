import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.patches import apply_json_patch, merge
from sandbox.status import StatusError

TEXT = st.text("ab/~-0", max_size=4)  # what pointers are made of
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_follows_the_table_of_rfc_7386(target, patch, expected):
    assert merge(target, patch) == expected


@settings(max_examples=50)
@given(JSON, JSON)
def test_merge_patch_is_idempotent(target, patch):
    once = merge(target, patch)

    assert merge(once, patch) == once


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/b", "value": 2}, {"a": [1, 3], "b": 2}),
        ({"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"op": "add", "path": "/a/-", "value": 4}, {"a": [1, 3, 4]}),
        ({"op": "add", "path": "/a/2", "value": 5}, {"a": [1, 3, 5]}),
        ({"op": "add", "path": "/a/-1", "value": 5}, {"a": [1, 3, 5]}),
        ({"op": "add", "path": "", "value": {"b": 1}}, {"b": 1}),
        ({"op": "replace", "path": "/a/0", "value": 9}, {"a": [9, 3]}),
        ({"op": "remove", "path": "/a/-1"}, {"a": [1]}),
        ({"op": "move", "from": "/a/0", "path": "/a/1"}, {"a": [3, 1]}),
        ({"op": "test", "path": "/a", "value": [1, 3]}, {"a": [1, 3]}),
        ({"op": "remove", "path": "/a/0"}, {"a": [3]}),
        ({"op": "copy", "from": "/a/0", "path": "/b"}, {"a": [1, 3], "b": 1}),
        ({"op": "move", "from": "/a", "path": "/x"}, {"x": [1, 3]}),
        ({"op": "test", "path": "/a/0", "value": 1}, {"a": [1, 3]}),
        ({"op": "add", "path": "/x~1y~0z", "value": 1}, {"a": [1, 3], "x/y~z": 1}),
    ],
)
def test_json_patch_carries_out_an_operation(operation, expected):
    target = {"a": [1, 3]}

    assert apply_json_patch(target, [operation]) == expected
    assert target == {"a": [1, 3]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/a/7", "value": 1},
        {"op": "test", "path": "/a/0", "value": 2},
        {"op": "test", "path": "/a/0", "value": True},
        {"op": "add", "path": "/missing/deep", "value": 2},
        {"op": "add", "path": "/a/9", "value": 2},
        {"op": "add", "path": "/a/x", "value": 2},
        {"op": "add", "path": "/a/0/deeper", "value": 2},
        {"op": "add", "path": "/b"},
        {"op": "add", "path": "b", "value": 1},
        {"op": "add", "value": 1},
        {"op": "remove", "path": "/a/2"},
        {"op": "remove", "path": ""},
        {"op": "move", "path": "/b"},
        {"op": "move", "from": "/missing", "path": "/b"},
        {"op": "copy", "from": "/a/7", "path": "/b"},
        {"op": "swap", "path": "/a"},
    ],
)
def test_json_patch_that_cannot_be_carried_out_is_unprocessable(operation):
    with pytest.raises(StatusError) as caught:
        apply_json_patch({"a": [1, 3]}, [operation])

    assert (caught.value.code, caught.value.status["message"]) == (
        422, "the server rejected our request due to an error in our request",
    )  # fmt: skip


def test_a_later_operation_sees_what_an_earlier_did():
    operations = [
        {"op": "add", "path": "/b", "value": []},
        {"op": "add", "path": "/b/-", "value": {"x": 1}},
        {"op": "test", "path": "/b/0/x", "value": 1},
        {"op": "move", "from": "/b/0", "path": "/c"},
    ]

    assert apply_json_patch({}, operations) == {"b": [], "c": {"x": 1}}


def test_a_json_patch_has_a_limit():
    with pytest.raises(StatusError) as caught:
        apply_json_patch({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)

    assert caught.value.code == 413


@pytest.mark.parametrize("patch", [{"op": "add"}, ["add"], None])
def test_json_patch_must_be_a_list_of_operations(patch):
    with pytest.raises(StatusError) as caught:
        apply_json_patch({}, patch)

    assert caught.value.code == 400
