"""Facts come up: what each event of a watch does to the rows, the timeline and the announcements."""

import copy
from datetime import timedelta

import pytest
from django.utils import timezone

from clusters import leases, targets
from clusters.models import WatchLease
from clusters.watching import Alive, Gone, Listed, Seen
from tests.workspaces import builders
from tests.workspaces.builders import NOW
from workspaces import mirror
from workspaces.mirror import happenings
from workspaces.models import ClusterEvent, Dependent, Transition, Workspace

pytestmark = pytest.mark.django_db


class Feeder:
    """Applies events as the watcher does and remembers what was announced."""

    def __init__(self, cluster, capture):
        self.cluster, self.capture = cluster, capture
        self.token = leases.acquire(cluster, "test")
        self.announced = []

    def apply(self, event):
        self.announced.clear()
        with self.capture(execute=True):
            mirror.apply(event, cluster=self.cluster, token=self.token)
        return list(self.announced)

    def see(self, raw, *, version=None, listed=False):
        raw = copy.deepcopy(raw)
        if version:
            raw["metadata"]["resourceVersion"] = str(version)
        return self.apply(Seen(target=target_of(raw), raw=raw, listed=listed))

    def lose(self, raw):
        uid = raw["metadata"]["uid"]
        return self.apply(Gone(target=target_of(raw), uid=uid, raw=raw))

    def list(self, target, *uids, namespace=""):
        listed = Listed(
            target=target, uids=frozenset(uids), namespace=namespace, resource_version="900"
        )
        return self.apply(listed)


def target_of(raw):
    kinds = {
        "Workspace": targets.WORKSPACES,
        "Pod": targets.PODS,
        "Service": targets.SERVICES,
        "StatefulSet": targets.STATEFULSETS,
        "NodeClaim": targets.NODECLAIMS,
    }
    return kinds.get(raw.get("kind"), targets.EVENTS)


@pytest.fixture
def cluster():
    return builders.make_cluster()


@pytest.fixture
def feeder(cluster, monkeypatch, django_capture_on_commit_callbacks):
    made = Feeder(cluster, django_capture_on_commit_callbacks)
    monkeypatch.setattr("workspaces.feed.publish", lambda *topics: made.announced.extend(topics))
    happenings.waiting.__init__()
    return made


def owned(raw, uid="uid-team-a-phi-4"):
    """`raw` with the owner reference that KAITO gives."""
    owner = {"kind": "Workspace", "name": "phi-4", "uid": uid, "controller": True}
    return {**raw, "metadata": {**raw["metadata"], "ownerReferences": [owner]}}


def raw_statefulset(image="mcr.microsoft.com/aks/kaito/kaito-base:0.5.0", script="vllm"):
    container = {"image": image, "command": ["/bin/sh", "-c", f"python3 {script}/inference_api.py"]}
    return owned(
        {
            "kind": "StatefulSet",
            "metadata": {
                "name": "phi-4",
                "namespace": "team-a",
                "uid": "uid-set",
                "resourceVersion": "5",
            },
            "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
            "status": {},
        }
    )


def timeline(subject):
    rows = Transition.objects.filter(subject=subject).order_by("id")
    return list(rows.values_list("before", "after"))


def workspace():
    return Workspace.objects.get()


def test_what_is_seen_is_announced_only_after_the_commit(feeder):
    """A page that asked sooner would read the old row, and not ask again."""
    raw = builders.raw_workspace()
    with feeder.capture(execute=False) as callbacks:
        mirror.apply(
            Seen(target=targets.WORKSPACES, raw=raw), cluster=feeder.cluster, token=feeder.token
        )

    assert (feeder.announced, len(callbacks)) == ([], 1)


def test_seen_workspace_makes_a_whole_row(feeder, cluster):
    raw = builders.raw_workspace(status=builders.ready_status())

    announced = feeder.see(raw)

    row = workspace()
    assert announced == ["workspace-uid-team-a-phi-4", "workspaces"]
    assert (row.cluster, row.uid, row.resource_version) == (cluster, "uid-team-a-phi-4", "100")
    assert (row.namespace, row.name, row.generation) == ("team-a", "phi-4", 1)
    assert (row.phase, row.headline) == ("ready", "Answers prompts")
    assert row.phase_since == NOW - timedelta(minutes=1)
    assert (row.recipe, row.model, row.runtime) == ("preset", "microsoft/phi-4", "vllm")
    assert (row.instance_type, row.count) == ("Standard_NC24ads_A100_v4", 1)
    assert (row.node_count, row.answers, row.dialect) == (1, True, "unknown")
    assert (row.owner, row.owner_key, row.operation_id) == ("", "", None)
    assert (row.created_at, row.deleted_at) == (NOW - timedelta(minutes=7), None)
    assert row.raw == raw


def test_seen_workspace_is_stored_without_managed_fields_and_secrets(feeder):
    raw = builders.raw_workspace(
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"},
        template={"spec": {"containers": [{"env": [{"name": "HF_TOKEN", "value": "s3cret"}]}]}},
    )
    field = {"manager": "kubectl", "operation": "Update", "time": "t", "fieldsV1": {"f:a": {}}}
    raw["metadata"]["managedFields"] = [field]

    feeder.see(raw)

    row = workspace()
    assert "s3cret" not in str(row.raw)
    assert row.raw["metadata"]["annotations"] == {"a": "b"}
    assert "managedFields" not in row.raw["metadata"]
    assert row.managers == [
        {
            "manager": "kubectl",
            "operation": "Update",
            "subresource": "",
            "time": "t",
            "paths": ["a"],
        }
    ]


def test_seen_again_changes_nothing_and_announces_nothing(feeder, django_assert_max_num_queries):
    raw = builders.raw_workspace(status=builders.pending_status())
    feeder.see(raw)
    before = Transition.objects.count()

    with django_assert_max_num_queries(5):
        assert feeder.see(raw) == []

    assert Transition.objects.count() == before


def test_newer_version_without_news_is_stored_quietly(feeder):
    raw = builders.raw_workspace()
    feeder.see(raw)

    assert feeder.see(raw, version=101) == []

    assert workspace().resource_version == "101"


def test_older_version_is_ignored(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()), version=1000)

    announced = feeder.see(builders.raw_workspace(status=builders.pending_status()), version=999)

    assert announced == []
    assert (workspace().phase, workspace().resource_version) == ("ready", "1000")


def test_older_version_of_a_full_list_is_believed(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()), version=1000)

    feeder.see(builders.raw_workspace(status=builders.pending_status()), version=9, listed=True)

    assert (workspace().phase, workspace().resource_version) == ("on-the-way", "9")


def test_conditions_become_the_timeline_with_the_clusters_times(feeder):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    feeder.see(builders.raw_workspace(status=builders.ready_status()), version=101)

    assert timeline("ResourceReady") == [("", "False"), ("False", "True")]
    assert timeline("state") == [("", "Pending"), ("Pending", "Ready")]
    assert timeline("phase") == [("unknown", "on-the-way"), ("on-the-way", "ready")]
    last = Transition.objects.filter(subject="InferenceReady").last()
    assert (last.at, last.workspace_uid) == (NOW - timedelta(minutes=1), "uid-team-a-phi-4")


def test_reason_of_a_condition_alone_is_a_transition(feeder):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    status = builders.pending_status()
    status["conditions"][0]["reason"] = "LaunchFailed"

    feeder.see(builders.raw_workspace(status=status), version=101)

    assert timeline("NodeClaimReady") == [("", "False"), ("False", "False")]
    assert Transition.objects.filter(subject="NodeClaimReady").last().reason == "LaunchFailed"


def test_message_of_a_condition_alone_is_no_transition(feeder):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    status = builders.pending_status()
    status["conditions"][0]["message"] = "still waiting (last reconcile error: x)"

    feeder.see(builders.raw_workspace(status=status), version=101)

    assert timeline("NodeClaimReady") == [("", "False")]


def test_rebuilt_mirror_does_not_double_the_timeline(feeder):
    raw = builders.raw_workspace(status=builders.ready_status())
    feeder.see(raw)
    before = Transition.objects.count()
    Workspace.objects.all().delete()

    feeder.see(raw)

    assert Transition.objects.count() == before


def test_gone_workspace_keeps_row_and_timeline(feeder):
    raw = builders.raw_workspace(status=builders.ready_status())
    feeder.see(raw)

    announced = feeder.lose(raw)

    row = workspace()
    assert announced == ["workspace-uid-team-a-phi-4", "workspaces"]
    assert timezone.now() - row.deleted_at < timedelta(seconds=5)
    assert (row.phase, row.answers, row.node_count) == ("deleted", False, 0)
    assert timeline("phase")[-1] == ("ready", "deleted")
    assert feeder.lose(raw) == []


def test_replay_does_not_bring_back_what_is_gone(feeder):
    raw = builders.raw_workspace()
    feeder.see(raw)
    feeder.lose({**raw, "metadata": {**raw["metadata"], "resourceVersion": "105"}})

    assert feeder.see(raw, version=104) == []

    assert workspace().phase == "deleted"


def test_full_list_brings_back_what_was_taken_for_gone(feeder):
    raw = builders.raw_workspace(status=builders.ready_status())
    feeder.see(raw)
    feeder.list(targets.WORKSPACES)

    announced = feeder.see(raw, listed=True)

    assert announced == ["workspace-uid-team-a-phi-4", "workspaces"]
    assert (workspace().deleted_at, workspace().phase) == (None, "ready")


def test_deletion_request_shows_at_once(feeder):
    raw = builders.raw_workspace(status=builders.ready_status())
    feeder.see(raw)
    raw["metadata"]["deletionTimestamp"] = builders.stamp(NOW)

    feeder.see(raw, version=101)

    row = workspace()
    assert (row.phase, row.answers) == ("deleting", False)
    assert row.deletion_requested_at == row.phase_since == NOW


def test_same_name_again_is_another_row(feeder):
    feeder.see(builders.raw_workspace(uid="old"))

    announced = feeder.see(builders.raw_workspace(uid="new"), version=200)

    rows = Workspace.objects.order_by("id").values_list("uid", "phase")
    assert list(rows) == [("old", "deleted"), ("new", "on-the-way")]
    assert announced == ["workspace-new", "workspace-old", "workspaces"]


def test_listed_sweeps_what_is_missing(feeder):
    kept, lost = builders.raw_workspace("kept"), builders.raw_workspace("lost")
    feeder.see(kept)
    feeder.see(lost)

    announced = feeder.list(targets.WORKSPACES, kept["metadata"]["uid"])

    live = Workspace.objects.filter(deleted_at=None)
    assert list(live.values_list("name", flat=True)) == ["kept"]
    assert announced == ["workspace-uid-team-a-lost", "workspaces"]


def test_listed_sweeps_within_its_namespace_and_cluster_only(feeder):
    feeder.see(builders.raw_workspace("a", "team-a"))
    feeder.see(builders.raw_workspace("b", "team-b"))
    builders.make_workspace(cluster=builders.make_cluster("other"), name="c")

    feeder.list(targets.WORKSPACES, namespace="team-a")

    live = Workspace.objects.filter(deleted_at=None).order_by("name")
    assert list(live.values_list("name", flat=True)) == ["b", "c"]


def test_listed_of_one_kind_leaves_the_others(feeder):
    feeder.see(builders.raw_workspace())
    feeder.see(builders.raw_pod())
    feeder.see(builders.raw_claim())

    feeder.list(targets.PODS)

    assert list(Dependent.objects.values_list("kind", flat=True)) == ["NodeClaim"]
    assert workspace().deleted_at is None


def test_owner_is_read_from_the_operation_that_made_it(feeder, cluster, dora):
    operation = builders.make_operation(cluster, dora)

    announced = feeder.see(
        builders.raw_workspace(annotations={"kaitoweb/operation-id": str(operation.pk)})
    )

    row = workspace()
    assert (row.owner, row.owner_key) == ("dora", f"u{dora.pk}")
    assert row.operation_id == operation.pk
    assert f"operation-{operation.pk}" in announced


@pytest.mark.parametrize("field", ["name", "namespace", "kind", "cluster"])
def test_forged_operation_id_makes_nobody_the_owner(feeder, cluster, dora, field):
    other = {
        "name": "x",
        "namespace": "x",
        "kind": "delete",
        "cluster": builders.make_cluster("other"),
    }
    wrong = {"cluster": cluster, field: other[field]}
    operation = builders.make_operation(wrong.pop("cluster"), dora, **wrong)

    feeder.see(builders.raw_workspace(annotations={"kaitoweb/operation-id": str(operation.pk)}))

    assert (workspace().owner, workspace().operation_id) == ("", None)


def test_operation_id_that_is_none_is_ignored(feeder):
    feeder.see(builders.raw_workspace(annotations={"kaitoweb/operation-id": "'; drop table"}))

    assert workspace().owner == ""


def test_dependents_explain_the_workspace(feeder):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))

    announced = feeder.see(builders.refused_claim())

    assert workspace().phase == "failed"
    assert announced == ["workspace-uid-team-a-phi-4", "workspaces"]


def test_dependent_without_effect_announces_its_workspace_only(feeder):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    feeder.see(builders.raw_claim())
    claim = builders.raw_claim(conditions=[builders.raw_condition("Drifted", "Unknown")])

    assert feeder.see(claim, version=301) == ["workspace-uid-team-a-phi-4"]
    assert feeder.see(claim, version=302) == []
    assert Dependent.objects.get().resource_version == "302"


def test_dependents_may_come_before_their_workspace(feeder):
    feeder.see(builders.refused_claim())
    feeder.see(builders.raw_event("NodeClaimCreated", kind="Workspace"))

    feeder.see(builders.raw_workspace(status=builders.pending_status()))

    assert workspace().phase == "failed"
    assert timeline("nodeclaim/ws3f9c1a2b7") == [("", "created"), ("created", "LaunchFailed")]
    assert timeline("event") == [("", "NodeClaimCreated")]


def test_pod_walks_through_the_timeline(feeder):
    feeder.see(builders.raw_workspace(status=builders.noded_status()))
    creating = builders.raw_container(state={"waiting": {"reason": "ContainerCreating"}})

    feeder.see(builders.raw_pod(), version=1)
    feeder.see(builders.raw_pod(containers=[creating]), version=2)
    feeder.see(builders.running_pod(), version=3)
    feeder.see(builders.running_pod(ready=True), version=4)
    feeder.lose(builders.running_pod(ready=True))

    assert timeline("pod/phi-4-0") == [
        ("", "pending"),
        ("pending", "ContainerCreating"),
        ("ContainerCreating", "running"),
        ("running", "ready"),
        ("", "gone"),
    ]


def test_pod_that_is_seen_ready_first_has_run_before(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()))

    feeder.see(builders.running_pod(ready=True))

    steps = Transition.objects.filter(subject="pod/phi-4-0").values_list("after", "at")
    since = NOW - timedelta(minutes=2)
    assert list(steps) == [
        ("pending", since - timedelta(seconds=81)),
        ("running", since),
        ("ready", since),
    ]


def test_pod_that_falls_back_is_told(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()))
    feeder.see(builders.running_pod(ready=True), version=1)

    feeder.see(builders.running_pod(), version=2)

    assert timeline("pod/phi-4-0")[-1] == ("ready", "running")
    last = Transition.objects.filter(subject="pod/phi-4-0").last()
    assert timezone.now() - last.at < timedelta(seconds=5)


def test_pod_that_is_deleted_terminates(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()))
    feeder.see(builders.running_pod(), version=1)
    pod = builders.running_pod()
    pod["metadata"]["deletionTimestamp"] = builders.stamp(NOW)

    feeder.see(pod, version=2)

    assert timeline("pod/phi-4-0")[-1] == ("running", "terminating")


def test_restarts_of_a_container_are_told(feeder):
    feeder.see(builders.raw_workspace(status=builders.noded_status()))
    feeder.see(builders.crashing_pod(restarts=1), version=1)

    feeder.see(builders.crashing_pod(restarts=2, reason="OOMKilled"), version=2)

    last = Transition.objects.filter(after="restarted").last()
    assert (last.before, last.reason) == ("1", "OOMKilled")
    assert last.message == "Restart 2 of phi-4, ended with code 137"


def test_node_claim_walks_through_the_timeline(feeder):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    launched = builders.raw_condition("Launched", since=NOW - timedelta(minutes=5))
    registered = builders.raw_condition("Registered", since=NOW - timedelta(minutes=4))

    feeder.see(builders.raw_claim(), version=1)
    feeder.see(builders.raw_claim(conditions=[launched, registered]), version=2)

    assert timeline("nodeclaim/ws3f9c1a2b7") == [
        ("", "created"),
        ("created", "launched"),
        ("launched", "registered"),
    ]


def test_address_of_the_load_balancer_reaches_the_row_and_leaves_it(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()))
    service = owned(builders.raw_service(address="203.0.113.7"))

    feeder.see(service)
    assert workspace().external_address == "203.0.113.7"

    feeder.lose(service)
    assert workspace().external_address == ""


def test_dialect_comes_from_the_workload(feeder):
    feeder.see(builders.raw_workspace(status=builders.noded_status()))

    feeder.see(raw_statefulset())
    assert workspace().dialect == "openai-vllm"

    feeder.see(raw_statefulset(script="tfs"), version=6)
    assert workspace().dialect == "openai-transformers"


def test_objects_of_nobody_are_not_stored(feeder, django_assert_num_queries):
    with django_assert_num_queries(0):
        feeder.see(builders.raw_service())
        feeder.see({**builders.raw_pod(), "metadata": {"uid": "u", "namespace": "n", "name": "p"}})
        feeder.see(builders.raw_event("Pulled", kind="Endpoints"))
        feeder.apply(Alive(target=targets.PODS))

    assert Dependent.objects.count() == 0


def test_node_of_a_former_namesake_does_not_count(feeder):
    feeder.see(builders.raw_workspace(uid="old", created_at=NOW - timedelta(hours=3)))
    feeder.see(
        builders.raw_claim(
            created_at=NOW - timedelta(hours=2),
            conditions=[builders.raw_condition("Launched", "False", "LaunchFailed", "quota")],
        )
    )

    feeder.see(builders.raw_workspace(uid="new", status=builders.pending_status()), version=200)

    assert Workspace.objects.get(uid="new").phase == "on-the-way"


def test_service_of_a_former_namesake_does_not_count(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()))

    feeder.see(owned(builders.raw_service(address="203.0.113.7"), uid="uid-of-the-former"))

    assert workspace().external_address == ""


def test_older_version_of_a_dependent_is_ignored_unless_listed(feeder):
    feeder.see(builders.raw_workspace(status=builders.ready_status()))
    service = owned(builders.raw_service(address="203.0.113.7"))
    feeder.see(service, version=20)

    assert feeder.see(owned(builders.raw_service(address="203.0.113.1")), version=19) == []
    assert workspace().external_address == "203.0.113.7"

    feeder.see(owned(builders.raw_service(address="203.0.113.1")), version=19, listed=True)
    assert workspace().external_address == "203.0.113.1"


def test_node_that_outlives_its_workspace_stays_until_it_is_gone(feeder):
    raw = builders.raw_workspace(status=builders.ready_status())
    feeder.see(raw)
    feeder.see(builders.raw_claim())
    feeder.lose(raw)
    assert Dependent.objects.count() == 1

    announced = feeder.lose(builders.raw_claim())

    assert "workspace-uid-team-a-phi-4" in announced
    assert Dependent.objects.count() == 0
    assert timeline("nodeclaim/ws3f9c1a2b7")[-1] == ("", "gone")


def test_event_is_stored_and_counted_on(feeder):
    feeder.see(builders.raw_workspace())
    feeder.see(builders.raw_pod())
    event = builders.raw_event("BackOff", "pulling", about="phi-4-0", kind="Pod", type="Warning")

    assert feeder.see(event, version=1) == ["workspace-uid-team-a-phi-4"]
    feeder.see({**event, "count": 4, "message": "again"}, version=2)
    assert feeder.see(event, version=1) == []

    row = ClusterEvent.objects.get()
    assert (row.workspace_namespace, row.workspace_name) == ("team-a", "phi-4")
    assert (row.object_kind, row.object_name) == ("Pod", "phi-4-0")
    assert (row.type, row.reason, row.message, row.count) == ("Warning", "BackOff", "again", 4)
    assert (row.first_at, row.last_at, row.source) == (NOW, NOW, "KAITO-Workspace-controller")


def test_event_outlives_the_cluster_memory_of_it(feeder):
    event = builders.raw_event("NodeClaimCreated")
    feeder.see(event)

    feeder.apply(Gone(target=targets.EVENTS, uid=event["metadata"]["uid"], raw=event))
    feeder.list(targets.EVENTS)

    assert ClusterEvent.objects.count() == 1


def test_event_waits_for_the_object_that_it_is_about(feeder):
    feeder.see(builders.raw_workspace())
    feeder.see(builders.raw_event("Scheduled", about="phi-4-0", kind="Pod"))
    feeder.see(builders.raw_event("Scheduled", about="stranger", kind="Pod"))
    claim_event = builders.raw_event("Launched", about="ws3f9c1a2b7", kind="NodeClaim")
    feeder.see({**claim_event, "involvedObject": {"kind": "NodeClaim", "name": "ws3f9c1a2b7"}})
    assert ClusterEvent.objects.count() == 0

    feeder.see(builders.raw_pod())
    feeder.see(builders.raw_claim())

    stored = ClusterEvent.objects.order_by("id").values_list("object_name", flat=True)
    assert list(stored) == ["phi-4-0", "ws3f9c1a2b7"]


def test_waiting_events_are_bounded(feeder, monkeypatch):
    monkeypatch.setattr(happenings, "WAITING_AT_MOST", 2)
    for name in ("a", "b", "c"):
        feeder.see(builders.raw_event("Scheduled", about=name, kind="Pod"))

    for name in ("a", "b", "c"):
        feeder.see(builders.raw_pod(name[0], number=0) | {})
        pod = builders.raw_pod()
        pod["metadata"] |= {"name": name, "uid": name}
        feeder.see(pod)

    stored = ClusterEvent.objects.order_by("id").values_list("object_name", flat=True)
    assert list(stored) == ["b", "c"]


def test_object_that_a_restored_cluster_lists_again_takes_its_name_back(feeder):
    first = builders.raw_workspace(uid="uid-1", resource_version="100")
    second = builders.raw_workspace(uid="uid-2", resource_version="200")
    feeder.see(first)
    feeder.lose(first)
    feeder.see(second)

    feeder.see(first, version=50, listed=True)

    rows = Workspace.objects.order_by("uid").values_list("uid", "deleted_at", "phase")
    assert [(uid, gone is None) for uid, gone, _ in rows] == [("uid-1", True), ("uid-2", False)]


def test_former_holder_of_the_lease_writes_nothing(feeder, cluster):
    WatchLease.objects.filter(cluster=cluster).update(token=feeder.token + 1)

    with pytest.raises(leases.Lost):
        feeder.see(builders.raw_workspace())

    assert Workspace.objects.count() == 0


def test_known_versions_are_those_of_the_kind(feeder, cluster):
    gone = builders.raw_workspace("gone")
    feeder.see(builders.raw_workspace())
    feeder.see(gone)
    feeder.lose(gone)
    feeder.see(builders.raw_pod())
    feeder.see(builders.raw_claim())
    feeder.see(builders.raw_event("NodeClaimCreated", at=timezone.now()))
    feeder.see(builders.raw_event("NodeClaimCreated", at=timezone.now() - timedelta(hours=3)))

    assert mirror.known_versions(cluster, targets.WORKSPACES) == {"uid-team-a-phi-4": "100"}
    assert mirror.known_versions(cluster, targets.PODS) == {"uid-pod-team-a-phi-4-0": "200"}
    assert mirror.known_versions(cluster, targets.NODECLAIMS) == {"uid-claim-ws3f9c1a2b7": "300"}
    assert list(mirror.known_versions(cluster, targets.EVENTS).values()) == ["400"]


def test_recheck_concludes_anew(feeder, cluster):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    Workspace.objects.update(headline="stale words")
    feeder.announced.clear()

    with feeder.capture(execute=True):
        mirror.recheck(cluster=cluster, token=feeder.token)

    assert workspace().headline != "stale words"
    assert feeder.announced == ["workspace-uid-team-a-phi-4", "workspaces"]


def test_recheck_is_fenced(feeder, cluster):
    feeder.see(builders.raw_workspace(status=builders.pending_status()))
    Workspace.objects.update(headline="stale words")

    with pytest.raises(leases.Lost):
        mirror.recheck(cluster=cluster, token=feeder.token - 1)

    assert workspace().headline == "stale words"


@pytest.mark.parametrize(
    "raw",
    [{}, {"metadata": None}, {"metadata": {"uid": "x", "name": 3}, "status": [], "inference": "?"}],
)
def test_odd_objects_do_no_harm(feeder, raw):
    feeder.apply(Seen(target=targets.WORKSPACES, raw=raw))
    feeder.apply(Seen(target=targets.PODS, raw=raw))
    feeder.apply(Seen(target=targets.EVENTS, raw=raw))

    assert Workspace.objects.filter(uid="").count() == 0
    assert Dependent.objects.count() == ClusterEvent.objects.count() == 0
