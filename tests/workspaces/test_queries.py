from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from tests.workspaces import builders as b
from workspaces import queries
from workspaces.models import Workspace
from workspaces.types import Dialect, Phase

pytestmark = pytest.mark.django_db

LIST_QUERIES = 6  # clusters, count, tiles, rows, wishes under way, namespaces
DETAIL_QUERIES = 2  # dependents, events


def names(page):
    return [row.name for row in page.rows]


def listed(person, **params):
    return queries.workspace_list(person, queries.filters_from(params))


def test_list_shows_live_rows_youngest_first(bob):
    b.make_workspace(name="older", created_at=b.NOW - timedelta(days=2))
    b.make_workspace(name="younger")
    b.make_workspace(name="gone", story="gone")

    page = listed(bob)

    assert names(page) == ["younger", "older"]
    assert (page.total, page.pages) == (2, 1)


@pytest.mark.parametrize("count", [1, 3])
def test_list_needs_the_same_queries_for_any_number_of_rows(bob, count, django_assert_num_queries):
    for number in range(count):
        b.make_workspace(name=f"w{number}")

    with django_assert_num_queries(LIST_QUERIES):
        assert len(listed(bob).rows) == count


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"q": "coder"}, ["qwen"]),
        ({"q": "Qwen standard_nc"}, ["qwen"]),
        ({"q": "alice"}, ["phi"]),
        ({"q": "nothing"}, []),
        ({"state": "failed"}, ["stuck"]),
        ({"state": "ready"}, ["qwen", "phi"]),
        ({"state": "deleted"}, ["bye"]),
        ({"state": "nonsense"}, ["stuck", "qwen", "phi"]),
        ({"namespace": "rag"}, ["phi"]),
        ({"cluster": "other"}, []),
        ({"sort": "name"}, ["phi", "qwen", "stuck"]),
        ({"sort": "-name"}, ["stuck", "qwen", "phi"]),
        ({"sort": "-age"}, ["phi", "qwen", "stuck"]),
        ({"page": "99"}, ["stuck", "qwen", "phi"]),
        ({"page": "-1", "q": "\0"}, ["stuck", "qwen", "phi"]),
    ],
)
def test_filters_narrow_and_order_the_list(bob, params, expected):
    old = {"created_at": b.NOW - timedelta(days=2)}
    b.make_workspace(name="phi", namespace="rag", fields={"owner": "alice"}, **old)
    older = b.NOW - timedelta(days=1)
    b.make_workspace(name="qwen", preset="Qwen/Qwen2.5-Coder-7B-Instruct", created_at=older)
    b.make_workspace(name="stuck", story="quota", instance_type="Standard_ND96isr_H200_v5")
    b.make_workspace(name="bye", story="gone")

    assert names(listed(bob, **params)) == expected


def test_pages_follow_each_other_without_gap_or_repeat(bob):
    for number in range(queries.listing.PAGE_SIZE + 1):
        b.make_workspace(name=f"w{number:02}")

    first, second = listed(bob, sort="name"), listed(bob, sort="name", page="2")

    assert names(first) + names(second) == [f"w{n:02}" for n in range(51)]
    assert (first.next_url, first.previous_url) == ("/workspaces/?sort=name&page=2", "")
    assert (second.first, second.last, second.next_url) == (51, 51, "")


def test_addresses_leave_out_what_filters_nothing():
    filters = queries.filters_from({"q": " phi ", "state": "", "page": "3"})

    assert filters.address() == "/workspaces/?q=phi"
    assert filters.address(page=2, search="") == "/workspaces/?page=2"


def test_tiles_count_states_and_nodes(bob):
    for story in ("ready", "weights", "node", "quota", "deleting", "gone"):
        b.make_workspace(name=story, story=story)

    assert queries.tiles(bob) == queries.Tiles(ready=1, on_the_way=2, failed=1, deleting=1, nodes=3)


def test_wish_without_a_row_is_shown_until_the_row_is_there(dora):
    cluster = b.make_cluster()
    b.make_operation(cluster, dora, name="queued")
    b.make_operation(cluster, dora, name="accepted", status="succeeded", finished_at=timezone.now())
    b.make_operation(cluster, dora, name="refused", status="refused")
    b.make_operation(cluster, dora, name="leaving", kind="delete")
    mirrored = b.make_operation(cluster, dora, name="mirrored", status="running")
    b.make_workspace(cluster=cluster, name="mirrored", fields={"operation_id": mirrored.id})

    page = listed(dora)

    assert [(w.name, w.is_accepted) for w in page.waiting] == [
        ("accepted", True),
        ("queued", False),
    ]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"q": "pending dora"}, ["pending"]),
        ({"q": "other"}, ["other"]),
        ({"q": "nobody"}, []),
        ({"state": "on-the-way"}, ["other", "pending"]),
        ({"state": "ready"}, []),
        ({"state": "deleted"}, []),
    ],
)
def test_wish_without_a_row_obeys_the_filters(dora, filters, names):
    cluster = b.make_cluster()
    b.make_operation(cluster, dora, name="pending")
    b.make_operation(cluster, dora, name="other")

    assert sorted(w.name for w in listed(dora, **filters).waiting) == names


def test_disconnected_cluster_takes_its_rows_along(bob):
    b.make_workspace(cluster=b.make_cluster(disconnected_at=timezone.now()))

    page = listed(bob)

    assert (page.rows, page.has_cluster) == ((), False)


def test_strangers_read_nothing():
    b.make_workspace(name="phi")
    nobody = AnonymousUser()

    assert (listed(nobody).rows, queries.playable(nobody), queries.tiles(nobody)) == (
        (),
        [],
        queries.Tiles(),
    )
    assert queries.find_workspace(nobody, "sandbox", "team-a", "phi") is None


def test_row_of_a_gone_workspace_is_none(bob):
    gone, live = b.make_workspace(name="gone", story="gone"), b.make_workspace(name="live")

    assert queries.workspace_row(bob, gone.uid) is None
    assert queries.workspace_row(bob, live.uid).url == "/workspaces/sandbox/team-a/live/"


def test_find_workspace_prefers_the_live_one_then_the_last_that_was(bob):
    def find(uid=""):
        found = queries.find_workspace(bob, "sandbox", "team-a", "phi-4", uid=uid)
        return found and found.uid

    b.make_workspace(story="gone", uid="first")
    second = b.make_workspace(story="gone", uid="second")
    Workspace.objects.filter(pk=second.pk).update(deleted_at=b.NOW)

    assert (find(), find("first"), find("unknown")) == ("second", "first", None)
    b.make_workspace(uid="third")
    assert (find(), find("second")) == ("third", "second")


def test_page_of_a_workspace_reads_only_what_it_shows(bob, django_assert_num_queries):
    workspace = b.make_workspace(story="weights")

    with django_assert_num_queries(DETAIL_QUERIES):
        page = queries.workspace_page(bob, workspace)

    assert page.diagnosis.headline == "Downloading and loading the model"
    assert page.log_target == queries.LogTarget(pod="phi-4-0", container="phi-4", previous=False)


def test_deployers_get_buttons_and_viewers_the_reason(bob, dora):
    workspace = b.make_workspace(story="quota")
    wish = b.make_operation(workspace.cluster, dora, uid=workspace.uid, status="succeeded")

    deployer = queries.workspace_page(dora, workspace)
    viewer = queries.workspace_page(bob, workspace)

    assert [row.url for row in deployer.fixes] == [
        f"/deploy/?from={wish.id}",
        "",
        "/workspaces/sandbox/team-a/phi-4/delete/",
    ]
    assert [row.url for row in viewer.fixes] == ["", "", ""]
    assert viewer.why_not_delete.startswith("Your account may look")
    assert deployer.why_not_delete == ""


def test_redeploying_what_was_made_outside_opens_the_form_with_its_model(dora):
    workspace = b.make_workspace(story="quota", preset="microsoft/phi-4")

    page = queries.workspace_page(dora, workspace)

    assert page.redeploy_url == "/deploy/?preset=microsoft%2Fphi-4"


def test_deletion_on_its_way_takes_the_button_and_a_failed_one_gives_it_back(dora):
    workspace = b.make_workspace()
    wish = b.make_operation(workspace.cluster, dora, kind="delete", uid=workspace.uid)

    queued = queries.workspace_page(dora, workspace)
    assert (queued.has_open_wish, queued.can_delete) == (True, False)
    assert queued.topics.endswith(f",operation-{wish.id}")

    wish.status = "failed"
    wish.save(update_fields=["status"])

    failed = queries.workspace_page(dora, workspace)
    assert (failed.has_open_wish, failed.can_delete, failed.open_wish) == (False, True, wish)


def test_usual_durations_are_medians_of_the_same_model_on_the_same_machine(bob):
    for number, minutes in enumerate((4, 6, 50)):
        earlier = b.make_workspace(name=f"w{number}", story="gone")
        for subject, after, at in (
            ("ResourceReady", "True", minutes),
            ("pod/w-0", "running", minutes + 1),
            ("InferenceReady", "True", minutes + 3),
            ("InferenceReady", "True", minutes + 300),
        ):
            moment = earlier.created_at + timedelta(minutes=at)
            b.make_transition(earlier, subject, after, at=moment)
    b.make_workspace(name="other", story="gone", preset="Qwen/Qwen2.5-Coder-7B-Instruct")

    page = queries.workspace_page(bob, b.make_workspace(story="node"))

    assert page.usual.samples == 3
    assert page.usual.seconds == {"node": 360, "image": 60, "start": 120, "total": 540}
    assert {r.stage.key: r.usual for r in page.stages if r.usual} == {
        "node": "usually 6 min",
        "image": "usually 60 s",
        "weights": "usually 2 min to the end",
    }


def test_nothing_is_called_usual_without_an_earlier_deployment(bob):
    page = queries.workspace_page(bob, b.make_workspace(story="node"))

    assert (page.usual.samples, [r.usual for r in page.stages if r.usual]) == (0, [])
    assert (page.tiles[1].text, page.tiles[1].note) == (
        "not known yet",
        "KAITO allows 30 min for the start",
    )


def test_events_and_dependents_of_a_namesake_are_not_shown(bob):
    created_at = b.NOW - timedelta(hours=4)
    former = b.make_workspace(story="gone", uid="former", created_at=created_at)
    Workspace.objects.filter(pk=former.pk).update(deleted_at=b.NOW - timedelta(hours=2))
    b.make_event(former.cluster, "Old", at=b.NOW - timedelta(hours=3))
    b.make_event(former.cluster, "New", at=b.NOW)
    successor = b.make_workspace(uid="successor")

    old = queries.workspace_page(bob, Workspace.objects.get(uid="former"))
    new = queries.workspace_page(bob, successor)

    assert [e.reason for e in new.seen.events] == ["New"]
    assert [e.reason for e in old.seen.events] == ["Old"]
    assert (len(new.pods), old.pods) == (1, ())
    assert old.tab_url == "/workspaces/sandbox/team-a/phi-4/?tab=history&uid=former"


def test_history_joins_wishes_outside_changes_and_states(dora):
    managers = [
        {"manager": "kubectl-edit", "time": b.stamp(b.NOW), "paths": ["inference.config"]},
        {"manager": "kaitoweb", "time": b.stamp(b.NOW), "paths": ["resource"]},
        {"manager": "kubectl", "subresource": "status", "time": b.stamp(b.NOW), "paths": ["x"]},
    ]
    workspace = b.make_workspace(fields={"managers": managers})
    b.make_operation(workspace.cluster, dora, uid=workspace.uid, status="succeeded")
    b.make_operation(workspace.cluster, dora, uid="of-another", status="failed")
    b.make_transition(workspace, "phase", "ready", at=b.NOW - timedelta(hours=1))

    history = queries.workspace_page(dora, workspace).history

    assert {(row.who, row.what) for row in history} == {
        ("dora", "Deploy: succeeded"),
        ("kubectl-edit", "Changed outside kaitoweb"),
        ("", "Ready"),
    }
    assert [row.at for row in history] == sorted((row.at for row in history), reverse=True)


def test_conditions_are_put_into_plain_words(bob):
    rows = {
        c.type: (c.tone, c.words)
        for c in queries.workspace_page(bob, b.make_workspace(story="node")).conditions
    }

    assert rows["WorkspaceSucceeded"] == (
        "secondary",
        "Normal while pending; no failure by itself",
    )
    assert rows["NodeClaimReady"] == ("secondary", "Machines are ordered, not there yet")


def test_conditions_name_a_cause_and_distrust_a_false_green(bob):
    status = {
        "conditions": [
            b.raw_condition("NodesReady"),
            b.raw_condition("InferenceReady", "False", "ContainerCrashLoopBackOff"),
        ]
    }
    workspace = b.make_workspace()
    workspace.raw["status"] = status

    rows = queries.workspace_page(bob, workspace).conditions

    assert [(c.tone, c.words.partition(":")[0]) for c in rows] == [
        ("secondary", "Means nothing yet"),
        ("red", "Normal until the model answers. The reason names the cause"),
    ]


def test_chat_endpoint_sends_both_limits_and_no_echo(bob):
    template = {
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "mcr.microsoft.com/aks/kaito/kaito-base:0.0.8",
                    "args": [
                        *("launch", "tfs/inference_api.py"),
                        *("--pretrained_model_name_or_path", "bigscience/bloomz-560m"),
                    ],
                }
            ]
        }
    }
    workspace = b.make_workspace(template=template, instance_type="Standard_D16s_v5")

    found = queries.workspace_page(bob, workspace).endpoint

    assert (found.dialect, found.model) == (Dialect.CHAT, "")
    for part in ('"max_new_tokens": 200', '"max_length": 2048', '"return_full_text": false'):
        assert part in found.code


@pytest.mark.parametrize("language", ["curl", "python"])
def test_code_to_copy_is_the_code_that_is_shown(bob, language):
    asked = queries.asked_from({"code": language})

    found = queries.workspace_page(bob, b.make_workspace(), asked).endpoint

    assert "\n".join("".join(text for _, text in line) for line in found.lines) == found.code
    assert "http://phi-4.team-a.svc.cluster.local/v1" in found.code


def test_python_examples_are_python(bob):
    for dialect in ("chat", "openai-vllm", "unknown"):
        workspace = b.make_workspace(name=f"w-{dialect}", fields={})
        workspace.dialect, workspace.recipe = dialect, "other"
        asked = queries.asked_from({"code": "python"})
        code = queries.workspace_page(bob, workspace, asked).endpoint.code
        compile(code, dialect, "exec")


def test_dialect_of_a_preset_is_expected_before_a_server_is_seen(bob):
    workspace = b.make_workspace(story="node")
    workspace.dialect = "unknown"

    found = queries.workspace_page(bob, workspace).endpoint

    assert (found.dialect, found.is_expected) == (Dialect.VLLM, True)


def test_pods_tell_their_state_in_words(bob):
    words = {
        story: queries.workspace_page(bob, b.make_workspace(name=story, story=story)).pods[0].word
        for story in ("image", "weights", "ready", "gated", "pull")
    }

    assert words == {
        "image": "Starting",
        "weights": "Running, not ready",
        "ready": "Ready",
        "gated": "CrashLoopBackOff",
        "pull": "ImagePullBackOff",
    }


def test_log_that_is_asked_for_is_the_one_shown(bob):
    workspace = b.make_workspace(story="gated")
    asked = queries.asked_from({"tab": "logs", "source": "phi-4-0", "previous": "1"})

    page = queries.workspace_page(bob, workspace, asked)

    assert page.log_url == (
        "/workspaces/sandbox/team-a/phi-4/logs/?pod=phi-4-0&container=phi-4&previous=1"
    )
    assert page.log_target.previous is True


def test_playable_lists_those_that_answer_first_and_says_why_not(bob):
    b.make_workspace(name="a-stuck", story="quota")
    b.make_workspace(name="b-ready")

    found = [(p.name, p.why_not) for p in queries.playable(bob)]

    assert found == [
        ("b-ready", ""),
        ("a-stuck", "Azure refused the GPU node: quota used up"),
    ]


def test_operation_leads_to_its_workspace_once_that_is_mirrored(dora):
    cluster = b.make_cluster()
    wish = b.make_operation(cluster, dora, status="succeeded")

    before = queries.operation_page(dora, wish.id)
    b.make_workspace(cluster=cluster, fields={"operation_id": wish.id})
    after = queries.operation_page(dora, wish.id)

    assert (before.is_open, before.workspace_url) == (True, "")
    assert (after.is_open, after.workspace_url) == (False, "/workspaces/sandbox/team-a/phi-4/")
    assert queries.operation_page(dora, uuid.uuid4()) is None


def test_inactive_people_read_nothing(django_user_model):
    b.make_workspace()
    former = User.objects.create_user("eve", password="eve-password", is_active=False)

    assert listed(former).rows == ()


def test_gone_workspace_tells_who_deleted_it_and_what_was_freed(dora):
    workspace = b.make_workspace(story="gone")
    b.make_operation(workspace.cluster, dora, kind="delete", uid=workspace.uid, status="succeeded")

    page = queries.workspace_page(dora, workspace)

    assert (page.phase, page.freed) == (Phase.DELETED, "1 × Standard_NC24ads_A100_v4")
    assert page.deletion.person_name == "dora"
    assert (page.can_delete, page.log_target) == (False, None)
