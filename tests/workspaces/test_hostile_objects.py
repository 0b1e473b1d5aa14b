"""Objects that somebody made to hurt: from the bytes of a watch into the rows, on both databases."""

import json
import time

import pytest

from accounts.people import Caller
from audit.models import Entry
from audit.services import verify
from clusters import leases, targets
from clusters.payloads import loads
from clusters.translating import translate_reply
from clusters.watching import Seen
from tests.workspaces import builders, memory
from workspaces import mirror, operations, services
from workspaces.models import ClusterEvent, Dependent, Workspace

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

DEEP = "[" * 5000 + "]" * 5000


@pytest.fixture
def see(monkeypatch):
    """Applies an object as it comes over the wire; `patch` are pairs of texts in its JSON."""
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: None)
    cluster = builders.make_cluster()
    token = leases.acquire(cluster, "test")

    def apply(raw, target=targets.WORKSPACES, *patch):
        text = json.dumps(raw)
        for old, new in patch:
            text = text.replace(json.dumps(old), new)
        seen = Seen(target=target, raw=loads(text.encode()))
        mirror.apply(seen, cluster=cluster, token=token)

    return apply


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        (r'"a\u0000b"', "ab"),
        (r'"a\ud800b"', "ab"),
        (r'{"k\u0000": "v"}', {"k": "v"}),
        ("NaN", "NaN"),
        ("1e400", "inf"),
        ("1e30", "1e+30"),
        ("9" * 40, "1e+40"),
        (json.dumps("x" * 2_000_000), "x" * 2_000_000),
        (r'"<script>alert(1)</script>\u202e"', "<script>alert(1)</script>\u202e"),
    ],
)
def test_odd_value_in_a_workspace_is_kept_as_far_as_it_can_be(see, hostile, kept):
    template = {"spec": {"x-odd": "HERE"}}

    see(builders.raw_workspace(template=template), targets.WORKSPACES, ("HERE", hostile))

    found = Workspace.objects.get().raw["inference"]["template"]["spec"]["x-odd"]
    assert found == kept


def test_bottomless_object_is_seen_without_its_depth(see):
    template = {"spec": {"x-odd": "HERE"}}

    see(builders.raw_workspace(template=template), targets.WORKSPACES, ("HERE", DEEP))

    assert Workspace.objects.get().name == "phi-4"


@pytest.mark.parametrize(
    "changed",
    [
        {"resource": {"count": 3_000_000_000, "instanceType": "x" * 500}},
        {"resource": {"count": 10**18}},
        {"resource": {"count": -5}, "metadata": {"generation": -1}},
        {"metadata": {"generation": 10**18}},
        {"metadata": {"labels": [], "annotations": "x", "creationTimestamp": "0001-01-01T00:00:00Z"}},
        {"metadata": {"creationTimestamp": "9999-12-31T23:59:59Z", "deletionTimestamp": "never"}},
        {"inference": {"template": {"spec": {"containers": "none"}}}, "status": []},
        {"inference": {"template": {"spec": {"containers": [{"image": f"a:v{'9' * 9000}.1",
         "command": ["tfs/inference_api.py"]}]}}}},
        {"status": {"workerNodes": {"a": 1}, "conditions": [{"type": 5, "message": ["x"]}, None]}},
        {"status": {"conditions": [{"type": "t" * 300, "status": "s" * 300, "reason": "r" * 2000}]}},
    ],
)  # fmt: skip
def test_wrong_types_and_sizes_hide_no_workspace(see, changed):
    raw = builders.raw_workspace()
    metadata = raw["metadata"] | changed.get("metadata", {})

    see(raw | changed | {"metadata": metadata})

    assert Workspace.objects.get().name == "phi-4"


def test_huge_numbers_and_odd_texts_hide_no_event(see):
    see(builders.raw_workspace())
    happening = builders.raw_event("BackOff", "HERE", count=10**18)
    happening |= {"reason": "r" * 400, "type": "t" * 99, "source": {"component": "c" * 400}}

    see(happening, targets.EVENTS, ("HERE", r'"a\u0000b\ud800c hf_abcdefghijklmnopqrst"'))

    assert ClusterEvent.objects.get().message == "abc [redacted]"


def test_odd_pod_is_seen(see):
    see(builders.raw_workspace())
    crashed = builders.raw_container(restarts=10**18)
    odd = builders.raw_pod(containers=[crashed], metadata={"annotations": {"x": "HERE"}})

    see(odd, targets.PODS, ("HERE", r'"\u0000"'))

    assert Dependent.objects.get().raw["metadata"]["annotations"] == {"x": ""}


def test_hostile_message_does_not_hold_the_watcher_up(see):
    words = "sku " * 8000 + " " * 30_000
    conditions = [builders.raw_condition("ResourceReady", "False", "NodeClaimNotReady", words)]
    launched = builders.raw_condition("Launched", "False", "LaunchFailed", words)
    began = time.process_time()

    see(builders.raw_workspace(status={"conditions": conditions}))
    see(builders.raw_claim(conditions=[launched]), targets.NODECLAIMS)

    assert time.process_time() - began < 1


def test_odd_words_of_a_refusal_end_the_wish_and_are_redacted(dora, monkeypatch):
    cluster = builders.make_cluster()
    api = memory.use(monkeypatch, memory.MemoryGateway())
    words = "no\x00 Bearer abcdefgh1234 of https://me:pw@proxy\ud800".encode(
        "utf-8", "surrogatepass"
    )
    wish = deletion(api, cluster, dora)
    api.script = [translate_reply(403, words)]

    operations.carry_out(wish.pk)

    wish.refresh_from_db()
    shown = "no Bearer [redacted] of https://[redacted]@proxy\N{REPLACEMENT CHARACTER}" + (
        "\N{REPLACEMENT CHARACTER}" * 2
    )
    assert (wish.status, wish.error_detail) == ("refused", shown)
    assert Entry.objects.get(outcome="refused").detail["cluster_said"] == shown


@pytest.mark.parametrize("number", ["1e16", "1e30", "-0.0", "2.0", "1e-9", "9" * 40, "0.1"])
def test_audit_of_odd_numbers_holds(see, dora, number):
    template = {"spec": {"x-odd": "HERE"}}
    see(builders.raw_workspace(template=template), targets.WORKSPACES, ("HERE", number))

    services.delete_workspace(Workspace.objects.get(), by=Caller(person=dora), key="k")

    assert Entry.objects.get().before["inference"]["template"]
    assert verify() == []


def deletion(api, cluster, person):
    made = api.create(None, builders.raw_workspace())
    workspace = builders.make_workspace(cluster=cluster, uid=made["metadata"]["uid"])
    api.writes.clear()
    return services.delete_workspace(workspace, by=Caller(person=person), key="k")
