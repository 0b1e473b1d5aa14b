"""The protobuf bodies that kubectl sends; the real ones come in test_kubectl_writing.py."""

import pytest

from sandbox import kinds
from sandbox.kinds import numbers
from sandbox.protobuf import decode_object

REVIEWS = "/apis/authorization.k8s.io/v1"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def field(number, value):
    """A message, or a number where one is given."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def body(version, kind, raw):
    about = field(1, version.encode()) + field(2, kind.encode())
    return b"k8s\0" + field(1, about) + field(2, raw)


def test_an_access_review_is_read():
    attributes = field(2, b"create") + field(3, b"kaito.sh") + field(5, b"workspaces")
    review = field(1, b"") + field(2, field(1, attributes)) + field(3, b"\x08\x00")

    read = decode_object(body("authorization.k8s.io/v1", "SelfSubjectAccessReview", review))

    assert read == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {
            "resourceAttributes": {
                "verb": "create", "group": "kaito.sh", "resource": "workspaces",
            }
        },
    }  # fmt: skip


def test_lists_maps_numbers_and_either_or_are_read():
    labels = field(1, b"a") + field(2, b"b")
    named, numbered = field(1, 1) + field(3, b"http"), field(1, 0) + field(2, 90)
    ports = [field(3, port) + field(4, target) for port, target in ((80, named), (90, numbered))]
    spec = b"".join(field(1, port) for port in ports) + field(2, labels) + field(13, 1)
    service = field(1, field(1, b"s") + field(2, b"")) + field(2, spec)

    read = decode_object(body("v1", "Service", service))

    assert (read["metadata"], read["spec"]) == (
        {"name": "s"},
        {
            "ports": [{"port": 80, "targetPort": "http"}, {"port": 90, "targetPort": 90}],
            "selector": {"a": "b"},
            "publishNotReadyAddresses": True,
        },
    )


@pytest.mark.parametrize(("replicas", "expected"), [(0, {"replicas": 0}), (3, {"replicas": 3})])
def test_no_replicas_is_not_the_same_as_none_said(replicas, expected):
    spec = field(1, replicas) + field(5, 0) + field(7, 0)

    assert decode_object(body("apps/v1", "Deployment", field(2, spec)))["spec"] == expected


@pytest.mark.parametrize("type_", numbers.NUMBERS)
def test_numbered_fields_are_fields(type_):
    declared = {each.name for each in kinds.types()[type_].fields} | {"metadata"}

    assert set(numbers.of(type_).values()) <= declared


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "sent",
    [b"", b"nonsense", b"k8s\0\x0a", b"k8s\0\x0d\x01", body("v1", "Node", b""),
     body("v1", "ConfigMap", field(1, 7)), body("v1", "Service", field(2, field(13, b"yes")))],
)  # fmt: skip
async def test_broken_protobuf_is_a_bad_request(api, sent):
    code, status = await api.call(
        "POST", f"{REVIEWS}/selfsubjectaccessreviews", sent, kind=PROTOBUF
    )

    assert (code, status["reason"]) == (400, "BadRequest")
