"""What kubectl changes: apply in both ways, diff, patches, scale, waiting, deleting."""

import json

import pytest

from sandbox.resources import CONFIGMAPS
from tests.sandbox.kubectls import kubectl, sandbox, space
from tests.sandbox.widgets import WIDGETS, widget

__all__ = ["kubectl", "sandbox", "space"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def manifest(**spec):
    body = widget(**{"size": 2} | spec)
    del body["metadata"]["namespace"]
    return json.dumps(body)


def size_of(space):
    return space("get", "widget", "w", "-o", "jsonpath={.spec.size}")


def test_apply_creates_changes_and_leaves_alone(space):
    said = [
        space("apply", "-f", "-", stdin=body)
        for body in (manifest(), manifest(), manifest(size=3, tags=["a"]), manifest(size=3))
    ]

    words = [line.removeprefix("widget.example.com/w ").strip() for line in said]
    assert words == ["created", "unchanged", "configured", "configured"]
    obj = json.loads(space("get", "widget", "w", "-o", "json"))
    assert obj["spec"] == {"size": 3, "colour": "red"}


def test_apply_merges_a_deployment_strategically(space):
    def deployment(*containers, replicas=1):
        labels = {"app": "d"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": list(containers)}}
        spec = {"selector": {"matchLabels": labels}, "template": template, "replicas": replicas}
        about = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
        return json.dumps(about | {"spec": spec})

    mine, other = {"name": "a", "image": "a:1"}, {"name": "sidecar", "image": "s:1"}
    space("apply", "-f", "-", stdin=deployment(mine))
    space("patch", "deployment", "d", "-p",
          json.dumps({"spec": {"template": {"spec": {"containers": [other]}}}}))  # fmt: skip
    space("apply", "-f", "-", stdin=deployment(mine | {"image": "a:2"}, replicas=2))

    obj = json.loads(space("get", "deployment", "d", "-o", "json"))
    images = {each["name"]: each["image"] for each in obj["spec"]["template"]["spec"]["containers"]}
    assert (images, obj["spec"]["replicas"]) == ({"a": "a:2", "sidecar": "s:1"}, 2)


def test_apply_on_the_server_side_and_its_conflict(space):
    apply = ("apply", "--server-side", "-f", "-")
    assert space(*apply, stdin=manifest()) == "widget.example.com/w serverside-applied\n"

    refused = space(*apply, "--field-manager=bob", stdin=manifest(size=3), code=1)
    forced = space(*apply, "--field-manager=bob", "--force-conflicts", stdin=manifest(size=3))

    assert 'conflict with "kubectl": .spec.size' in refused
    assert (forced, size_of(space)) == ("widget.example.com/w serverside-applied\n", "3")


def test_a_misspelt_field_is_told_of(space):
    misspelt = manifest().replace('"size"', '"sise"')

    said = space("apply", "-f", "-", stdin=misspelt, code=1)

    assert 'strict decoding error: unknown field "spec.sise"' in said


def test_diff_shows_what_would_change(space):
    space("apply", "-f", "-", stdin=manifest())

    said = space("diff", "-f", "-", stdin=manifest(size=5), code=1)

    assert "-  size: 2\n+  size: 5\n" in said
    assert (size_of(space), space("diff", "-f", "-", stdin=manifest())) == ("2", "")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", {"spec": {"size": 4}}),
        ("json", [{"op": "replace", "path": "/spec/size", "value": 4}]),
    ],
)
def test_a_custom_kind_is_patched(space, kind, patch):
    space("create", "-f", "-", stdin=manifest())

    said = space("patch", "widget", "w", f"--type={kind}", "-p", json.dumps(patch))

    assert (said, size_of(space)) == ("widget.example.com/w patched\n", "4")


def test_a_custom_kind_is_not_patched_strategically(space):
    space("create", "-f", "-", stdin=manifest())

    said = space("patch", "widget", "w", "--type=strategic", "-p", "{}", code=1)

    assert "application/strategic-merge-patch+json is not supported by example.com/v1" in said


def test_status_is_patched_by_itself(space):
    space("create", "-f", "-", stdin=manifest())

    patch = json.dumps({"status": {"phase": "Ready"}, "spec": {"size": 9}})
    space("patch", "widget", "w", "--type=merge", "--subresource=status", "-p", patch)

    obj = json.loads(space("get", "widget", "w", "-o", "json"))
    assert (obj["status"], obj["spec"]["size"]) == ({"phase": "Ready"}, 2)


def test_labels_and_annotations_come_and_go(space):
    space("create", "-f", "-", stdin=manifest())

    said = [
        space("label", "widget", "w", "a=b"),
        space("annotate", "widget", "w", "note=x"),
        space("label", "widget", "w", "a-"),
    ]

    about = json.loads(space("get", "widget", "w", "-o", "json"))["metadata"]
    words = [line.split()[-1] for line in said]
    assert words == ["labeled", "annotated", "unlabeled"]
    assert (about.get("labels"), about["annotations"]) == (None, {"note": "x"})


def test_what_kubectl_makes_by_itself(space):
    """All of them but the last it sends as protobuf."""
    space("create", "secret", "generic", "hf", "--from-literal=HF_TOKEN=x")
    space("create", "configmap", "cm", "--from-literal=a=b")
    space("create", "serviceaccount", "sa")
    space("create", "deployment", "web", "--image=nginx:1", "--replicas=2", "--port=80")
    space("create", "service", "clusterip", "svc", "--tcp=80:8080")
    space("create", "job", "j", "--image=busybox", "--", "true")
    space("run", "p", "--image=busybox", "--env=A=1")

    def got(what, path):
        return space("get", what, "-o", f"jsonpath={path}")

    assert got("secret/hf", "{.type} {.data}") == 'Opaque {"HF_TOKEN":"eA=="}'
    assert got("cm/cm", "{.data}") == '{"a":"b"}'
    assert got("deploy/web", "{.spec.replicas}") == "2"
    container = "{.spec.template.spec.containers[0]['image','ports']}"
    assert got("deploy/web", container) == ('nginx:1 [{"containerPort":80,"protocol":"TCP"}]')
    assert got("svc/svc", "{.spec.ports[0]['port','targetPort']}") == "80 8080"
    assert got("job/j", "{.spec.template.spec.containers[0].command}") == '["true"]'
    assert got("pod/p", "{.spec.containers[0].env} {.status.phase}") == (
        '[{"name":"A","value":"1"}] Pending'
    )


def test_a_dry_run_on_the_server_makes_nothing(space):
    made = space("create", "configmap", "c", "--from-literal=a=b", "--dry-run=server", "-o", "yaml")
    said = space("apply", "-f", "-", "--dry-run=server", stdin=manifest())

    assert "uid:" in made
    assert said == "widget.example.com/w created (server dry run)\n"
    assert space("get", "cm,widgets", "-o", "name") == ""


def test_scale_sets_the_number(space):
    space("create", "deployment", "web", "--image=nginx")

    scaled = space("scale", "deploy/web", "--replicas=3")
    refused = space("scale", "deploy/web", "--replicas=5", "--current-replicas=2", code=1)

    assert scaled == "deployment.apps/web scaled\n"
    assert "Expected replicas to be 2, was 3" in refused
    assert space("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}") == "3"


def test_rollouts_are_waited_for(kubectl, space):
    system = kubectl.in_("kube-system")("rollout", "status", "deployment/coredns", "--timeout=30s")
    model = kubectl.in_("team-a")(
        "rollout", "status", "statefulset/qwen2-5-coder-7b", "--timeout=30s"
    )
    space("create", "deployment", "web", "--image=nginx")
    restarted = space("rollout", "restart", "deployment/web")
    space("set", "image", "deployment/web", "nginx=nginx:2")

    assert system == 'deployment "coredns" successfully rolled out\n'
    assert "roll out complete" in model
    assert restarted == "deployment.apps/web restarted\n"
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert space("get", "deploy", "web", "-o", image) == "nginx:2"


def test_wait_sees_a_condition_a_value_and_an_end(sandbox, kubectl, space):
    team_a = kubectl.in_("team-a")
    met = team_a("wait", "--for=condition=WorkspaceSucceeded", "wk/qwen2-5-coder-7b")
    equal = team_a("wait", "--for=jsonpath={.status.state}=Ready", "wk/qwen2-5-coder-7b")
    late = team_a(
        "wait", "--for=condition=Nonsense", "wk/qwen2-5-coder-7b", "--timeout=100ms", code=1
    )
    space("create", "-f", "-", stdin=manifest())
    waiting = space.begun("wait", "--for=delete", "widget/w", "--timeout=30s")
    with waiting:
        sandbox.call(lambda cluster: cluster.store.delete(WIDGETS, space.namespace, "w"))
        assert waiting.wait(30) == 0

    assert (met, equal) == ("workspace.kaito.sh/qwen2-5-coder-7b condition met\n",) * 2
    assert "timed out waiting for the condition" in late


def dependent(sandbox, space):
    """A config map that the widget owns."""
    owner = json.loads(space("get", "widget", "w", "-o", "json"))
    reference = {
        "apiVersion": "example.com/v1", "kind": "Widget", "name": "w",
        "uid": owner["metadata"]["uid"], "blockOwnerDeletion": True,
    }  # fmt: skip
    about = {"name": "child", "namespace": space.namespace, "ownerReferences": [reference]}
    sandbox.call(lambda cluster: cluster.store.create(CONFIGMAPS, {"metadata": about}, manager="k"))


@pytest.mark.parametrize(
    ("cascade", "left"),
    [("background", ""), ("foreground", ""), ("orphan", "configmap/child\n")],
)
def test_delete_waits_and_cascades_as_asked(sandbox, space, cascade, left):
    space("create", "-f", "-", stdin=manifest())
    dependent(sandbox, space)

    said = space("delete", "widget", "w", f"--cascade={cascade}", "--timeout=30s")

    assert said.startswith('widget.example.com "w" deleted')
    assert space("get", "widgets,cm", "-o", "name") == left


def test_delete_by_selector_and_all(space):
    for name in ("a", "b", "c"):
        space("create", "configmap", name)
    space("label", "cm", "a", "b", "x=y")

    space("delete", "cm", "-l", "x=y")
    left = space("get", "cm", "-o", "name")
    space("delete", "cm", "--all", "--wait=false")

    assert (left, space("get", "cm", "-o", "name")) == ("configmap/c\n", "")


def test_a_definition_goes_and_comes_back(kubectl, space):
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.org"},
        "spec": {
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True,
                 "schema": {"openAPIV3Schema": {"type": "object"}}},
            ],
        },
    }  # fmt: skip
    gadget = {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "g"}}

    for _ in range(2):
        kubectl("apply", "-f", "-", stdin=json.dumps(crd))
        kubectl("wait", "--for=condition=Established", "crd/gadgets.example.org", "--timeout=30s")
        space("create", "-f", "-", stdin=json.dumps(gadget))
        assert space("get", "gadgets", "-o", "name") == "gadget.example.org/g\n"
        kubectl("delete", "crd", "gadgets.example.org", "--timeout=30s")
        gone = space("get", "gadgets", code=1)
        assert "could not find the requested resource" in gone or "resource type" in gone
