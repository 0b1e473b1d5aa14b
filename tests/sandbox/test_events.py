"""One event seen through both API groups, and leases beside them."""

import pytest

from tests.sandbox.conftest import Events

pytestmark = pytest.mark.asyncio

CORE = "/api/v1/namespaces/default/events"
NEW = "/apis/events.k8s.io/v1/namespaces/default/events"
ABOUT = {"kind": "Pod", "namespace": "default", "name": "p"}
EVENT = {
    "metadata": {"name": "e"}, "involvedObject": ABOUT, "reason": "Pulled", "type": "Normal",
    "message": "done", "source": {"component": "kubelet"}, "count": 2,
    "firstTimestamp": "2026-07-01T00:00:00Z", "lastTimestamp": "2026-07-01T00:00:05Z",
}  # fmt: skip


async def test_a_core_event_is_shown_in_the_newer_form(api):
    await api.post(CORE, EVENT)

    event = await api.get(f"{NEW}/e")
    listed = await api.get(NEW)

    assert (event["apiVersion"], event["kind"]) == ("events.k8s.io/v1", "Event")
    assert {key: event[key] for key in event if key not in ("apiVersion", "kind", "metadata")} == {
        "regarding": ABOUT, "reason": "Pulled", "type": "Normal", "note": "done",
        "deprecatedSource": {"component": "kubelet"}, "deprecatedCount": 2,
        "deprecatedFirstTimestamp": "2026-07-01T00:00:00Z",
        "deprecatedLastTimestamp": "2026-07-01T00:00:05Z",
    }  # fmt: skip
    without_kind = {key: event[key] for key in event if key not in ("apiVersion", "kind")}
    assert (listed["apiVersion"], listed["items"]) == ("events.k8s.io/v1", [without_kind])


async def test_a_newer_event_is_shown_in_the_core_form_and_changed_in_its_own(api):
    body = {"metadata": {"name": "e"}, "regarding": ABOUT, "note": "one", "reason": "R"}
    body["reportingController"] = "kaito"

    await api.post(NEW, body)
    await api.merge(f"{NEW}/e", {"note": "two"})

    event = await api.get(f"{CORE}/e")
    assert (event["apiVersion"], event["involvedObject"], event["message"]) == ("v1", ABOUT, "two")
    assert event["reportingComponent"] == "kaito"
    assert "note" not in event


async def test_events_are_selected_by_the_fields_of_each_form(api):
    await api.post(CORE, EVENT)
    await api.post(CORE, EVENT | {"metadata": {"name": "other"}, "involvedObject": {"name": "q"}})

    for path, field in ((CORE, "involvedObject"), (NEW, "regarding")):
        found = await api.get(f"{path}?fieldSelector={field}.name%3Dp")
        assert [item["metadata"]["name"] for item in found["items"]] == ["e"]
    code, _ = await api.call("GET", f"{NEW}?fieldSelector=involvedObject.name%3Dp")
    assert code == 400


async def test_both_forms_are_watched(api):
    async with api.open(f"{NEW}?watch=1") as answer:
        await api.post(CORE, EVENT)
        event = await Events(answer).next()

    assert (event["type"], event["object"]["note"]) == ("ADDED", "done")


async def test_both_forms_print_the_same_columns(api):
    await api.post(CORE, EVENT)
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"

    rows = [(await api.get(path, Accept=accept))["rows"][0]["cells"] for path in (CORE, NEW)]

    assert rows[0][2:] == rows[1][2:]
    assert (rows[0][3], rows[0][6]) == ("pod/p", "done")


async def test_a_lease_is_made_by_a_put(api):
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    body = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a", "leaseTransitions": 1}}

    made, lease = await api.call("PUT", path, body)
    again, _ = await api.call("PUT", path, lease | {"spec": {"holderIdentity": "b"}})
    stale, _ = await api.call("PUT", path, lease | {"spec": {"holderIdentity": "c"}})

    assert (made, again, stale) == (201, 200, 409)
