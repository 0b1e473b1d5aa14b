import pytest

from sandbox.resources import EVENTS, NODES, PODS
from sandbox.selectors import parse_labels, selection
from sandbox.status import StatusError

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=web", True),
        ("app==web", True),
        ("app=db", False),
        ("app!=db", True),
        ("app!=web", False),
        ("missing!=x", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("app in (web, db)", True),
        ("app in (db)", False),
        ("app notin (db,cache)", True),
        ("app notin (web)", False),
        ("missing notin (x)", True),
        ("app in (web,db),tier=front,!missing", True),
        ("app=web,tier=back", False),
        ("app=", False),
        ("", True),
    ],
)
def test_label_selector_selects(selector, expected):
    matches = selection(PODS, selector, "")

    pod = {"metadata": {"labels": LABELS}}
    assert (matches is None or matches(pod)) is expected


@pytest.mark.parametrize("selector", ["a in web", "=x", "a in (b", "a=b c"])
def test_label_selector_refuses_nonsense(selector):
    with pytest.raises(StatusError) as caught:
        parse_labels(selector)

    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("resource", "selector", "obj", "expected"),
    [
        (PODS, "metadata.name=p", {"metadata": {"name": "p"}}, True),
        (PODS, "metadata.name!=p", {"metadata": {"name": "p"}}, False),
        (PODS, "spec.nodeName=n,status.phase=Running",
         {"metadata": {}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}, True),
        (PODS, "spec.nodeName=", {"metadata": {}}, True),
        (NODES, "spec.unschedulable=true", {"metadata": {}, "spec": {"unschedulable": True}}, True),
        (EVENTS, "involvedObject.uid=u,type!=Normal",
         {"metadata": {}, "involvedObject": {"uid": "u"}, "type": "Warning"}, True),
        (EVENTS, "source=kubelet", {"metadata": {}, "source": {"component": "kubelet"}}, True),
    ],
)  # fmt: skip
def test_field_selector_selects(resource, selector, obj, expected):
    assert selection(resource, "", selector)(obj) is expected


def test_field_selector_refuses_a_field_that_is_not_indexed():
    with pytest.raises(StatusError, match="field label not supported: spec.image"):
        selection(PODS, "", "spec.image=x")
