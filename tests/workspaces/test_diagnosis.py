from __future__ import annotations

from datetime import timedelta

import pytest

from tests.workspaces import builders as b
from workspaces import parsing
from workspaces.diagnosis import Action, Progress, StageState, diagnose
from workspaces.types import Phase


def judge(story, *, events=(), objects=None, status=None, now=b.NOW, **options):
    """Diagnosis of a workspace that is in `story`, with parts of it replaced."""
    told, made = b._story(story, "phi-4", "team-a")
    progress, gone_at = options.pop("progress", Progress()), options.pop("gone_at", None)
    raw = b.raw_workspace(status=told if status is None else status, **options)
    return diagnose(
        parsing.parse_workspace(raw),
        b.dependents_of(made if objects is None else objects),
        tuple(parsing.parse_event(e) for e in events),
        now,
        progress=progress,
        gone_at=gone_at,
    )


def states(found):
    return {s.key: s.state.value for s in found.stages}


def waiting_pod(reason, message=""):
    container = b.raw_container(state={"waiting": {"reason": reason, "message": message}})
    return b.raw_pod(containers=[container])


@pytest.mark.parametrize(
    ("story", "phase", "headline", "current"),
    [
        ("new", Phase.ON_THE_WAY, "Waiting for the GPU node", "node"),
        ("node", Phase.ON_THE_WAY, "Waiting for the GPU node", "node"),
        ("image", Phase.ON_THE_WAY, "Pulling the container image", "image"),
        ("weights", Phase.ON_THE_WAY, "Downloading and loading the model", "weights"),
        ("ready", Phase.READY, "Answers prompts", None),
        ("quota", Phase.FAILED, "Azure refused the GPU node: quota used up", "node"),
        ("pull", Phase.FAILED, "The container image does not exist", "image"),
    ],
)
def test_diagnose_tells_each_moment_of_a_deployment(story, phase, headline, current):
    found = judge(story)

    assert (found.phase, found.headline) == (phase, headline)
    assert (found.current.key if found.current else None) == current


def test_stages_of_a_vllm_preset_run_from_accepted_to_ready_with_their_times():
    found = judge("ready", progress=Progress(loading_at=b.NOW - timedelta(seconds=95)))

    took = {s.key: (s.ended - s.started).seconds for s in found.stages if s.started and s.ended}
    assert took == {"accepted": 0, "node": 180, "image": 81, "weights": 25, "load": 35, "ready": 0}
    assert set(states(found).values()) == {"done"}


def test_only_measured_workspaces_have_a_benchmark_stage():
    disabled = judge("ready", annotations={"kaito.sh/disable-benchmark": "true"})
    transformers = judge("ready", annotations={"kaito.sh/runtime": "transformers"})
    template = judge("ready", template={"spec": {"containers": [{"name": "c", "image": "x:1"}]}})

    assert "benchmark" in states(judge("ready"))
    assert ["benchmark" in states(f) for f in (disabled, transformers, template)] == [False] * 3


def test_conditions_are_not_believed_before_the_nodes_are_counted():
    status = b.noded_status()
    del status["targetNodeCount"]

    found = judge("node", status=status, objects=[])

    assert found.headline == "Waiting for the GPU node"
    assert found.current.key == "node"
    assert found.reassurance.startswith("Conditions may read True")


def test_workspace_succeeded_false_is_no_failure():
    assert judge("weights").cause is None


def test_inference_ready_with_a_failed_benchmark_still_answers():
    failed = b.raw_condition("BenchmarkCompleted", "False", "BenchmarkFailed", "timed out")
    status = b.ready_status(state="NotReady")
    status["conditions"] = [*status["conditions"][:4], failed]

    found = judge("ready", status=status)

    assert found.phase == Phase.READY
    assert found.headline == "The model answers, but KAITO's benchmark failed"
    assert found.cause.evidence == ("BenchmarkCompleted=False  BenchmarkFailed", "timed out")


def test_pods_are_believed_before_conditions():
    found = judge("ready", objects=[b.crashing_pod()])

    assert (found.phase, found.cause.key) == (Phase.FAILED, "crash")


def test_ready_before_but_not_now_is_not_ready():
    found = judge("ready", objects=[b.running_pod(ready=False)])

    assert (found.phase, found.cause) == (Phase.NOT_READY, None)


@pytest.mark.parametrize(
    ("text", "key", "first_fix"),
    [
        (b.QUOTA_TEXT, "quota", Action.REDEPLOY),
        ("AllocationFailed: no capacity in eastus", "capacity", Action.NONE),
        ("AuthorizationFailed: the client does not have authorization", "rights", Action.NONE),
        ("instance type Standard_X not found", "unknown-size", Action.REDEPLOY),
        ("something new", "launch", Action.REDEPLOY),
    ],
)
def test_refusals_of_the_cloud_are_told_apart(text, key, first_fix):
    found = judge("quota", objects=[b.refused_claim(text=text)])

    assert (found.cause.key, found.cause.fixes[0].action) == (key, first_fix)
    assert found.cause.evidence == ("NodeClaim ws3f9c1a2b7  Launched=False  LaunchFailed", text)


def test_quota_says_how_much_is_used():
    assert judge("quota").cause.text.startswith("96 of 96 cores are in use, 24 more are needed.")


def test_refusal_is_read_from_the_condition_when_the_claim_is_gone():
    status = b.pending_status()
    status["conditions"][0] = b.raw_condition(
        "NodeClaimReady", "False", "SubscriptionQuotaReached", "quota"
    )

    assert judge("quota", status=status, objects=[]).cause.key == "quota"


@pytest.mark.parametrize("status", ["Unknown", "False"])
def test_waiting_claim_is_no_failure(status):
    waiting = b.raw_claim(
        conditions=[b.raw_condition("Launched", status, "AwaitingReconciliation")]
    )

    assert judge("node", objects=[waiting]).cause is None


PODS = pytest.mark.parametrize(
    ("pod", "key", "stage"),
    [
        (waiting_pod("ErrImagePull", "unauthorized"), "image", "image"),
        (waiting_pod("CreateContainerConfigError", 'secret "x" not found'), "start", "image"),
        (b.crashing_pod(reason="OOMKilled"), "memory", "load"),
        (b.crashing_pod(), "crash", "load"),
        (
            b.raw_pod(
                conditions=[b.raw_condition("PodScheduled", "False", "Unschedulable", "0/3 nodes")]
            ),
            "unschedulable",
            "image",
        ),
        (
            b.raw_pod(phase="Failed", status={"reason": "Evicted", "message": "low on disk"}),
            "evicted",
            "weights",
        ),
    ],
)


@pytest.mark.parametrize(
    ("restarts", "code", "phase"),
    [
        (1, 1, Phase.ON_THE_WAY),
        (2, 1, Phase.FAILED),
        (2, 0, Phase.ON_THE_WAY),
    ],
)
def test_a_pod_between_two_crashes_is_still_failing(restarts, code, phase):
    again = b.raw_container(
        state={"running": {"startedAt": b.stamp(b.NOW)}},
        last={"terminated": {"reason": "Error", "exitCode": code}},
        restarts=restarts,
    )

    found = judge("image", objects=[b.raw_pod(phase="Running", containers=[again])])

    assert found.phase == phase


@PODS
def test_what_stops_a_pod_is_told_apart(pod, key, stage):
    found = judge("image", objects=[pod])

    assert (found.cause.key, found.current.key) == (key, stage)
    assert found.current.state == StageState.FAIL
    assert found.phase == Phase.FAILED


def test_unmounted_volume_is_found_in_the_events():
    event = b.raw_event("FailedMount", 'secret "model" not found', about="phi-4-0", kind="Pod")

    found = judge("image", events=[event])

    assert found.cause.evidence == ("Event FailedMount on phi-4-0", 'secret "model" not found')


def test_gated_model_is_known_from_the_catalogue():
    found = judge("gated", preset="meta-llama/Llama-3.1-8B-Instruct")

    assert found.cause.key == "gated"
    assert found.headline == "The model server stops again; its model is gated"


def test_gated_model_is_known_for_certain_from_the_log():
    refusal = "401 Client Error. Cannot access gated repo for url https://huggingface.co/x"

    found = judge("gated", progress=Progress(refusal=refusal))

    assert found.headline == "The model is gated: Hugging Face refused the download"
    assert found.cause.evidence[-1] == refusal


@pytest.mark.parametrize(
    ("error", "key", "phase"),
    [
        ("failed to get GPU config for instance type X", "size-without-gpu", Phase.FAILED),
        ("failed to resolve access token: secret x", "token-missing", Phase.FAILED),
        ("etcd is slow", "reconcile", Phase.ON_THE_WAY),
        ("the object has been modified; please apply", None, Phase.ON_THE_WAY),
    ],
)
def test_reconcile_errors_are_parsed_out_of_the_conditions(error, key, phase):
    status = b.pending_status()
    for condition in status["conditions"]:
        condition["message"] = f"not yet (last reconcile error: {error})"

    found = judge("node", status=status)

    assert (found.cause and found.cause.key, found.phase) == (key, phase)


def test_node_that_never_joins_is_a_remark_after_twenty_minutes():
    late = judge("node", now=b.NOW + timedelta(minutes=20))

    assert (judge("node").cause, late.cause.key) == (None, "node-slow")
    assert late.phase == Phase.ON_THE_WAY


def test_silent_operator_is_named_after_two_minutes():
    young = judge("new", metadata={"finalizers": []}, created_at=b.NOW - timedelta(minutes=1))
    old = judge("new", metadata={"finalizers": []})

    assert (young.cause, young.headline) == (None, "Waiting for KAITO to take notice")
    assert old.cause.key == "silent"


@pytest.mark.parametrize("reason", ["ImagePullError", "Unschedulable", "ContainerOOMKilled"])
def test_kaito_is_believed_where_no_pod_is_known(reason):
    status = b.noded_status()
    status["conditions"][3] = b.raw_condition("InferenceReady", "False", reason, "told")

    found = judge("image", status=status, objects=[])

    assert found.cause.evidence == (f"InferenceReady=False  {reason}", "told")


def test_log_tells_download_load_and_benchmark_apart():
    weights = judge("weights", progress=Progress(stage="weights", percent=63))
    load = judge("weights", progress=Progress(stage="load", percent=50))
    benchmark = judge("weights", progress=Progress(stage="benchmark"))

    assert [f.headline for f in (weights, load, benchmark)] == [
        "Downloading weights, 63 %",
        "Loading the model into memory, 50 %",
        "Measuring its speed",
    ]
    assert [f.current.percent for f in (weights, load, benchmark)] == [63, 50, None]


def test_deletion_runs_the_timeline_backwards():
    leaving = {"deletionTimestamp": b.stamp(b.NOW)}
    ordered = b.raw_claim(metadata=leaving, node="aks-1")

    whole = judge("deleting", metadata=leaving)
    released = judge("deleting", metadata=leaving, objects=[ordered])
    gone = judge("gone", gone_at=b.NOW)

    assert (whole.phase, released.phase, gone.phase) == ("deleting", "deleting", "deleted")
    assert list(states(whole).values()) == ["now", "now", "now", "now", "todo"]
    assert list(states(released).values()) == ["done", "done", "done", "now", "todo"]
    assert list(states(gone).values()) == ["done"] * 5


def test_machine_that_outlives_its_workspace_is_not_called_gone():
    found = judge("gone", objects=[b.raw_claim(node="aks-1")], gone_at=b.NOW)

    assert found.headline == "Deleted; its machine is still being released"
    assert states(found)["gone"] == "todo"


def test_tuning_states_have_words():
    said = [judge("ready", status={"state": s}, objects=[]).headline for s in ("Running", "Failed")]

    assert said == ["The tuning job is running", "The tuning job failed"]


def old_tuning(started, succeeded, reason="WorkspaceTuningJobStatusStarted"):
    rows = (("JobStarted", started, reason), ("WorkspaceSucceeded", succeeded, "workspacePending"))
    conditions = [
        {"type": kind, "status": status, "reason": told, "message": ""}
        for kind, status, told in rows
        if status
    ]
    found = judge("ready", status={"state": "", "conditions": conditions}, objects=[])
    return found.headline, found.phase


def test_tuning_under_an_old_kaito_is_told_by_its_conditions():
    """Found in the sandbox as 0.7: a job that had ended was on the way for ever."""
    assert [
        old_tuning("True", "False"),
        old_tuning("True", "True"),
        old_tuning("False", "False", "WorkspaceTuningJobStatusFailed"),
    ] == [
        ("The tuning job is running", Phase.ON_THE_WAY),
        ("The tuning job has finished", Phase.READY),
        ("The tuning job failed", Phase.FAILED),
    ]
