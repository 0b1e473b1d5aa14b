"""Paths of fields: which there are, how they are written, what changed between two objects."""

import pytest

from sandbox import kinds
from sandbox.fieldsets import compare, flatten, from_v1, owned_by_apply, spelled, to_v1
from sandbox.shapes import RootShape
from tests.sandbox.widgets import WIDGETS

CUSTOM = RootShape(WIDGETS.schema)
OPEN = RootShape(None)
POD = RootShape(kinds.built_in("Pod"))
SERVICE = RootShape(kinds.built_in("Service"))


def tree(obj, shape=POD):
    return to_v1(frozenset(flatten(obj, shape)))


def test_metadata_that_the_server_sets_is_nobodys():
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "uid": "u", "generation": 1}}

    assert tree(obj) == {}


@pytest.mark.parametrize("shape", [POD, CUSTOM, OPEN])
def test_metadata_is_shared_piece_by_piece_whatever_the_kind(shape):
    metadata = {"labels": {"a": "b"}, "finalizers": ["f"], "ownerReferences": [{"uid": "u"}]}

    assert tree({"metadata": metadata}, shape) == {
        "f:metadata": {
            "f:labels": {".": {}, "f:a": {}},
            "f:finalizers": {".": {}, 'v:"f"': {}},
            "f:ownerReferences": {".": {}, 'k:{"uid":"u"}': {}},
        }
    }


def test_lists_of_built_in_kinds_merge_by_their_keys():
    spec = {
        "containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": ["-v", "x"]}],
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "k"}],
    }

    port = {".": {}, "f:containerPort": {}}
    assert tree({"spec": spec}) == {
        "f:spec": {
            ".": {},
            "f:containers": {
                ".": {},
                'k:{"name":"c"}': {
                    ".": {},
                    "f:args": {},
                    "f:name": {},
                    "f:ports": {".": {}, 'k:{"containerPort":80,"protocol":"TCP"}': port},
                },
            },
            "f:nodeSelector": {},
            "f:tolerations": {},
        }
    }
    served = {"spec": {"ports": [{"port": 80, "protocol": "UDP"}], "selector": {"a": "b"}}}
    assert tree(served, SERVICE)["f:spec"] == {
        ".": {},
        "f:ports": {
            ".": {}, 'k:{"port":80,"protocol":"UDP"}': {".": {}, "f:port": {}, "f:protocol": {}},
        },
        "f:selector": {},
    }  # fmt: skip


def test_a_custom_kind_follows_its_schema():
    spec = {
        "tags": ["a"],
        "selector": {"a": "b"},
        "open": {"containers": [{"name": "c"}], "deep": {"er": 1}},
        "parts": [{"name": "p"}],
    }

    assert tree({"spec": spec}, CUSTOM) == {
        "f:spec": {
            ".": {},
            "f:open": {
                ".": {}, "f:containers": {}, "f:deep": {".": {}, "f:er": {}},
            },
            "f:parts": {".": {}, 'k:{"name":"p"}': {".": {}, "f:name": {}}},
            "f:selector": {},
            "f:tags": {},
        }
    }  # fmt: skip


def test_empty_maps_and_lists_are_leaves():
    assert tree({"spec": {"containers": [], "open": {}}}) == {
        "f:spec": {".": {}, "f:containers": {}, "f:open": {}}
    }


def test_an_apply_owns_leaves_and_list_items_but_no_maps():
    flat = flatten({"spec": {"containers": [{"name": "c"}]}}, POD)

    assert to_v1(owned_by_apply(flat)) == {
        "f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:name": {}}}}
    }


def test_what_is_written_can_be_read_back():
    paths = frozenset(flatten({"spec": {"containers": [{"name": "c"}], "x": 1}}, POD))

    assert from_v1(to_v1(paths)) == paths


@pytest.mark.parametrize(
    ("old", "new", "added", "changed", "removed"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, [".b"], [], []),
        ({"a": 1}, {"a": 2}, [], [".a"], []),
        ({"a": 1, "b": 2}, {"a": 1}, [], [], [".b"]),
        ({"a": {"b": 1}}, {"a": 1}, [], [".a"], [".a.b"]),
        ({"a": 1}, {"a": {"b": 1}}, [".a.b"], [".a"], []),
        ({"a": 1}, {"a": True}, [], [".a"], []),
        ({"a": [1]}, {"a": [2]}, [], [".a"], []),
        ({"metadata": {"finalizers": ["x"]}}, {"metadata": {"finalizers": ["y"]}},
         ['.metadata.finalizers[="y"]'], [], ['.metadata.finalizers[="x"]']),
    ],
)  # fmt: skip
def test_two_objects_are_compared_by_path(old, new, added, changed, removed):
    found = compare(flatten(old, OPEN), flatten(new, OPEN))

    assert [[spelled(path) for path in paths] for paths in found] == [added, changed, removed]
