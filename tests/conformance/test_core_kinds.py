"""The built-in kinds that kaitoweb meets: namespaces, events, leases, secrets, services, pods."""

from __future__ import annotations

import pytest

from tests.conformance.asking import (
    causes,
    core,
    deleted,
    details,
    made,
    names,
    patched,
    pod,
    refusal,
)

# Namespaces


def test_a_namespace_is_active_and_labelled_with_its_name(http, space):
    found = http.get(f"/api/v1/namespaces/{space}").json()

    assert found["status"] == {"phase": "Active"}
    assert found["spec"] == {"finalizers": ["kubernetes"]}
    assert found["metadata"]["labels"] == {"kubernetes.io/metadata.name": space}


def test_a_namespace_is_named_like_a_host(http):
    answer = http.post("/api/v1/namespaces", json={"metadata": {"name": "a.b"}})

    assert refusal(answer)[:2] == (422, "Invalid")
    [cause] = causes(answer)
    assert (cause.reason, cause.field) == ("FieldValueInvalid", "metadata.name")
    assert cause.message == 'Invalid value: "a.b": must not contain dots'


# Events


def event(namespace, name="e", kind="Widget", **rest):
    about = {"kind": kind, "namespace": namespace, "name": "w", "uid": "u-1"}
    return {
        "metadata": {"name": name},
        "involvedObject": about,
        "reason": "Started",
        "message": "it has",
        "type": "Normal",
    } | rest


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("involvedObject.kind=Pod", ["b"]),
        ("involvedObject.uid=u-1,type=Normal", ["a"]),
        ("reason=Failed", ["b"]),
        ("type!=Normal", ["b"]),
        ("involvedObject.name=w", ["a", "b"]),
    ],
)
def test_events_are_selected_by_what_they_are_about(http, space, selector, found):
    path = core(space, "events")
    made(http, path, event(space, "a"))
    made(http, path, event(space, "b", "Pod", reason="Failed", type="Warning"))

    assert names(http.get(path, params={"fieldSelector": selector}).json()) == found


def test_an_event_is_about_something_in_its_own_namespace(http, space):
    answer = http.post(core(space, "events"), json=event("elsewhere"))

    text = 'Invalid value: "elsewhere": does not match event.namespace'
    message = f'Event "e" is invalid: involvedObject.namespace: {text}'
    assert refusal(answer) == (422, "Invalid", message)
    assert causes(answer) == [("FieldValueInvalid", "involvedObject.namespace", text)]


# Leases


def test_a_lease_is_taken_by_whoever_has_the_newest_version(http, space):
    path = f"/apis/coordination.k8s.io/v1/namespaces/{space}/leases"
    body = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}}
    lease = made(http, path, body)

    first = http.put(f"{path}/l", json=lease | {"spec": lease["spec"] | {"holderIdentity": "b"}})
    second = http.put(f"{path}/l", json=lease | {"spec": lease["spec"] | {"holderIdentity": "c"}})

    assert (first.status_code, first.json()["spec"]["holderIdentity"]) == (200, "b")
    assert refusal(second)[:2] == (409, "Conflict")


# Secrets


def test_a_secret_keeps_text_as_base64(http, space):
    body = {"metadata": {"name": "s"}, "stringData": {"token": "hf_x"}, "data": {"a": "YQ=="}}

    created = made(http, core(space, "secrets"), body)

    assert created["data"] == {"a": "YQ==", "token": "aGZfeA=="}
    assert created["type"] == "Opaque"
    assert "stringData" not in created


def test_a_secret_must_be_base64(http, space):
    answer = http.post(
        core(space, "secrets"), json={"metadata": {"name": "s"}, "data": {"a": "no base64"}}
    )

    text = (
        'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 2'
    )
    assert refusal(answer) == (400, "BadRequest", text)


# Services


def test_a_service_gets_an_address_and_defaults(http, space):
    spec = {"selector": {"app": "m"}, "ports": [{"port": 80}]}

    created = made(http, core(space, "services"), {"metadata": {"name": "m"}, "spec": spec})

    assert created["spec"]["clusterIP"].startswith("10.")
    assert created["spec"]["type"] == "ClusterIP"
    assert created["spec"]["sessionAffinity"] == "None"
    assert created["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert created["status"] == {"loadBalancer": {}}


def test_a_service_is_named_like_a_host_that_begins_with_a_letter(http, space):
    spec = {"ports": [{"port": 80}]}

    answer = http.post(core(space, "services"), json={"metadata": {"name": "a.b"}, "spec": spec})

    assert refusal(answer)[:2] == (422, "Invalid")
    assert [(cause.reason, cause.field) for cause in causes(answer)] == [
        ("FieldValueInvalid", "metadata.name")
    ]


# Pods


def test_a_new_pod_is_pending(http, space):
    created = made(http, core(space, "pods"), pod())

    assert created["status"]["phase"] == "Pending"
    assert created["spec"]["restartPolicy"] == "Always"


def test_pods_are_selected_by_phase(http, space):
    path = core(space, "pods")
    for name in "ab":
        made(http, path, pod(name))
    patched(http, f"{path}/b/status", {"status": {"phase": "Running"}})

    assert names(http.get(path, params={"fieldSelector": "status.phase=Running"}).json()) == ["b"]


def test_a_pod_that_no_node_has_goes_at_once(http, space):
    path = core(space, "pods")
    made(http, path, pod())

    assert deleted(http, f"{path}/p").status_code == 200
    assert http.get(f"{path}/p").status_code == 404


def test_a_table_of_pods_has_the_columns_of_kubectl(http, space):
    made(http, core(space, "pods"), pod())

    table = http.get(
        core(space, "pods"), headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    ).json()

    shown = [each["name"] for each in table["columnDefinitions"] if not each["priority"]]
    assert shown == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert table["rows"][0]["cells"][:3] == ["p", "0/1", "Pending"]


def test_the_log_of_no_pod_is_not_found(http, space):
    answer = http.get(f"{core(space, 'pods')}/p/log")

    assert refusal(answer) == (404, "NotFound", 'pods "p" not found')
    assert details(answer) == {"name": "p", "kind": "pods"}


def test_the_log_of_a_container_that_the_pod_lacks_is_a_bad_request(http, space):
    made(http, core(space, "pods"), pod())

    answer = http.get(f"{core(space, 'pods')}/p/log", params={"container": "other"})

    assert refusal(answer) == (400, "BadRequest", "container other is not valid for pod p")


def test_of_two_containers_one_must_be_named(http, space):
    body = pod()
    body["spec"]["containers"].append({"name": "side", "image": "example.com/side:1"})
    made(http, core(space, "pods"), body)

    answer = http.get(f"{core(space, 'pods')}/p/log")

    text = "a container name must be specified for pod p, choose one of: [main side]"
    assert refusal(answer) == (400, "BadRequest", text)


def test_the_log_of_a_pod_without_a_node_is_empty(http, space):
    made(http, core(space, "pods"), pod())

    answer = http.get(f"{core(space, 'pods')}/p/log")

    assert (answer.status_code, answer.text) == (204, "")


def test_init_containers_are_named_first(http, space):
    body = pod()
    body["spec"]["initContainers"] = [{"name": "first", "image": "example.com/first:1"}]
    body["spec"]["containers"].append({"name": "side", "image": "example.com/side:1"})
    made(http, core(space, "pods"), body)

    answer = http.get(f"{core(space, 'pods')}/p/log")

    text = "a container name must be specified for pod p, choose one of: [first main side]"
    assert refusal(answer) == (400, "BadRequest", text)


def test_a_log_begins_at_one_moment(http, space):
    made(http, core(space, "pods"), pod())
    query = {"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"}

    answer = http.get(f"{core(space, 'pods')}/p/log", params=query)

    text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
    assert refusal(answer) == (422, "Invalid", f'PodLogOptions "p" is invalid: []: {text}')
    assert details(answer) == {"name": "p", "kind": "PodLogOptions"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"tailLines": "few"}, 'strconv.ParseInt: parsing "few": invalid syntax'),
        (
            {"sinceTime": "noon"},
            'parsing time "noon" as "2006-01-02T15:04:05Z07:00": cannot parse "noon" as "2006"',
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_log_options_must_be_readable(http, space, query, said):
    made(http, core(space, "pods"), pod())

    answer = http.get(f"{core(space, 'pods')}/p/log", params=query)

    assert refusal(answer) == (400, "BadRequest", said)
