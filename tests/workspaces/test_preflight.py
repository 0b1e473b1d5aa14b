import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters import gateway, translating
from clusters.errors import Cause, Conflict, Denied, Invalid, NotFound, Unreachable
from workspaces import preflight
from workspaces.preflight.problems import Level
from workspaces.preflight.refusals import field_problems, parse_refusal

DENIED = 'admission webhook "validation.workspace.kaito.sh" denied the request: '


def invalid(detail, causes=()):
    return Invalid("BadRequest", "KAITO refused it.", 400, detail, causes=causes)


@pytest.mark.parametrize(
    ("line", "field", "message"),
    [
        (
            "invalid value: Unsupported inference preset name falcon-7b: inference.presetName",
            "preset",
            "KAITO does not know this model.",
        ),
        (
            "invalid value: Unsupported instance type Standard_X. Supported SKUs: [a, b]: resource.instanceType",
            "instance_type",
            "KAITO cannot make machines of this type.",
        ),
        (
            "missing field(s): resource.instanceType is required when node auto-provisioning is enabled",
            "instance_type",
            "KAITO needs to know which machine to make.",
        ),
        (
            "invalid value: Insufficient total GPU memory: Instance type has 24Gi, model needs 30Gi: resource.instanceType",
            "instance_type",
            "The model is too large for this machine.",
        ),
        (
            "a lowercase RFC 1123 label must consist of lower case characters: name",
            "name",
            "The cluster does not accept this name.",
        ),
        (
            "missing field(s): inference.This preset needs a modelAccessSecret with HF_TOKEN key under presetOptions",
            "secret",
            "This model needs a Secret with the key HF_TOKEN.",
        ),
        (
            "cannot be converted into the old label selector format: resource.labelSelector",
            "label",
            "KAITO cannot use this label.",
        ),
        (
            "invalid value: odd in a new way: inference.presetName",
            "preset",
            "KAITO does not accept this model.",
        ),
        ("field is immutable: resource.count", "", "KAITO refused it."),
        ("something that KAITO has not said before", "", "KAITO refused it."),
    ],
)
def test_webhooks_line_stands_beside_its_field(line, field, message):
    (problem,) = parse_refusal(f"{DENIED}validation failed: {line}")

    assert (problem.field, problem.message, problem.detail) == (field, message, line)


def test_several_lines_become_several_problems_and_explanations_stay_with_theirs():
    text = (
        f"{DENIED}validation failed: invalid value: Unsupported inference preset name x: presetName\n"
        "see the list of models\n"
        "must contain at least one non-reserved label: labelSelector"
    )

    assert [(p.field, p.detail) for p in parse_refusal(text)] == [
        (
            "preset",
            "invalid value: Unsupported inference preset name x: presetName\nsee the list of models",
        ),
        ("label", "must contain at least one non-reserved label: labelSelector"),
    ]


def test_strict_decoding_is_told_on_top():
    text = f'{DENIED}decoding request failed: cannot decode incoming new object: json: unknown field "imge"'

    (problem,) = parse_refusal(text)

    assert (problem.field, problem.message) == ("", "KAITO does not know a key of this manifest.")
    assert problem.detail == text.removeprefix(DENIED)


# Pieces of what the API server says, put together at random, as well as any text.
_PIECES = st.sampled_from(
    [": ", "\n", ", ", "name", "resource.instanceType", "validation failed: ", DENIED, "[0]", "x y"]
)
_WORDS = st.one_of(st.text(), st.lists(st.one_of(_PIECES, st.text(max_size=5))).map("".join))


@given(_WORDS)
def test_parser_never_raises_and_never_loses_a_word(text):
    told = "\n".join(problem.detail for problem in parse_refusal(text))

    assert told.split() == preflight.refusals._WEBHOOK_PREFIX.sub("", text, count=1).split()


@given(_WORDS, st.lists(st.builds(Cause, field=_WORDS, reason=st.text(), message=_WORDS)))
def test_an_invalid_answer_always_gives_a_problem_with_all_its_words(detail, causes):
    problems = field_problems(invalid(detail, causes=tuple(causes)))

    told = " ".join(f"{p.message} {p.detail}" for p in problems)
    assert problems != []
    assert all(cause.message in told for cause in causes)


def test_schema_errors_stand_beside_their_fields():
    causes = (
        Cause(
            field="resource.instanceType", reason="FieldValueInvalid", message="Invalid value: 5"
        ),
        Cause(field="inference.foo", reason="FieldValueRequired", message="Required value"),
    )
    detail = "resource.instanceType: Invalid value: 5, inference.foo: Required value"

    assert [(p.field, p.detail) for p in field_problems(invalid(detail, causes))] == [
        ("instance_type", "resource.instanceType: Invalid value: 5"),
        ("", "inference.foo: Required value"),
    ]


def test_words_beyond_the_causes_are_kept():
    causes = (Cause(field="metadata.name", message="too long"),)

    problems = field_problems(invalid("something else went wrong", causes))

    assert [(p.field, p.detail) for p in problems] == [
        ("name", "metadata.name: too long"),
        ("", "something else went wrong"),
    ]


@pytest.mark.parametrize(
    ("error", "field", "level"),
    [
        (Conflict("AlreadyExists", "The name is taken.", kind="exists"), "name", "error"),
        (NotFound("NamespaceNotFound", "No such namespace.", 404), "namespace", "error"),
        (NotFound("NotServed", "Not served.", 404), "", "error"),
        (Denied("Forbidden", "kaitoweb may not create workspaces.", 403), "", "error"),
        (Denied("Unauthorized", "The sign-in has expired.", 401), "", "warning"),
        (Unreachable("Timeout", "The cluster did not answer in time."), "", "warning"),
        (invalid(""), "", "error"),
    ],
)
def test_other_errors_find_their_place(error, field, level):
    (problem,) = field_problems(error)

    assert (problem.field, problem.level.value) == (field, level)


def test_field_problems_reads_a_real_webhooks_status():
    body = (
        b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"BadRequest","code":400,'
        b'"message":"admission webhook \\"validation.workspace.kaito.sh\\" denied the request: '
        b'validation failed: invalid value: Unsupported inference preset name x: inference.presetName"}'
    )

    problems = field_problems(translating.translate_reply(400, body, {}))

    assert [(p.field, p.message) for p in problems] == [
        ("preset", "KAITO does not know this model.")
    ]


class FakeGateway:
    """Stands in at the gateway's constructor: answers as told, and remembers what it was sent."""

    def __init__(self, answer=None):
        self.answer = answer
        self.sent = []

    def create(self, target, obj, *, dry_run=False):
        self.sent.append((target.plural, obj, dry_run))
        if self.answer is not None:
            raise self.answer
        return obj


def test_dry_run_sends_exactly_the_manifest_and_keeps_nothing(monkeypatch):
    fake = FakeGateway()
    monkeypatch.setattr(gateway, "for_cluster", lambda cluster: fake)

    assert preflight.dry_run(object(), {"kind": "Workspace"}) == []
    assert fake.sent == [("workspaces", {"kind": "Workspace"}, True)]


def test_dry_run_of_an_unreachable_cluster_is_a_warning_only(monkeypatch):
    unreachable = translating.translate(httpx.ConnectError("refused"))
    monkeypatch.setattr(gateway, "for_cluster", lambda cluster: FakeGateway(unreachable))

    (problem,) = preflight.dry_run(object(), {})

    assert problem.level == Level.WARNING
    assert problem.message.endswith(
        "KAITO has not judged the manifest; it will be sent as soon as it can."
    )
