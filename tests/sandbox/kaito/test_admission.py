"""Every rule of the webhook that concerns node auto-provisioning, a row each."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from sandbox.app import build_cluster
from sandbox.kaito import systems
from sandbox.kaito.admission import denial, validate_create, validate_update
from sandbox.kaito.fielderrors import render
from sandbox.kaito.presets import SKUS
from sandbox.resources import WORKSPACES
from sandbox.server import make_app
from tests.sandbox.kaito.builders import changed, preset_workspace, template_workspace

CONFIG = "inference_config.yaml"
TEMPLATES = {
    name: {key: text} for name, key, text in systems.CONFIGS if key == "training_config.yaml"
}
H100 = "Standard_NC40ads_H100_v5"
TRANSFORMERS = {"kaito.sh/runtime": "transformers"}
KNOWN_SIZES = " ".join(sorted(sku.name for sku in SKUS))
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


def config_maps(text):
    data = {} if text is None else {CONFIG: text}
    found = {"config": data} | TEMPLATES
    return lambda namespace, name: {"data": found[name]} if name in found else None


def errors_of(workspace, config=""):
    return render(validate_create(workspace, config_maps(config)))


def annotated(**annotations):
    return changed(preset_workspace(), {"metadata.annotations": annotations})


def adapter(name="style", **more):
    return {"source": {"name": name, "image": "example.com/adapters/style:1"}, **more}


@pytest.mark.parametrize(
    "workspace",
    [
        preset_workspace(),
        template_workspace(),
        preset_workspace(preset="MICROSOFT/phi-4"),
        preset_workspace(preset="org/some-model-3b"),
        preset_workspace(preset="meta-llama/Llama-3.1-8B-Instruct"),
        changed(preset_workspace(), {"resource.instanceType": "standard_nc24ads_a100_V4"}),
        changed(preset_workspace(), {"resource.instanceType": "Standard_NZ9"}),
        changed(preset_workspace(), {"resource.labelSelector": {}}),
        changed(
            preset_workspace(),
            {
                "resource.labelSelector": {
                    "matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]
                }
            },
        ),
        annotated(**{"kaito.sh/node-image-family": " Ubuntu "}),
        annotated(**{"kaito.sh/runtime": "anything"}),
        changed(preset_workspace(), {"inference.adapters": [adapter()]}),
        changed(preset_workspace(), {"inference.config": "config"}),
    ],
)
def test_create_accepts(workspace):
    assert errors_of(workspace) == ""


NAME = "metadata.name"
SIZE = "resource.instanceType"
SELECTOR = "resource.labelSelector"
ADAPTERS = "inference.adapters"
PRESET = "inference.preset.name"

CREATE_ROWS = [
    ({NAME: "a.b"}, f"invalid value: {LABEL_RULE}: name"),
    ({NAME: "a" * 64}, "invalid value: must be no more than 63 characters: name"),
    (
        {"inference": None},
        "Either Inference or Tuning must be specified, not neither: spec",
    ),
    (
        {SIZE: ""},
        f"invalid value: Unsupported instance type . Supported SKUs: [{KNOWN_SIZES}]: "
        "resource.instanceType\nmissing field(s): spec.instanceType is required when node "
        "auto-provisioning is enabled, spec.resource.instanceType",
    ),
    (
        {"metadata.annotations": {"kaito.sh/node-image-family": "windows"}},
        'invalid value: unsupported node image family "windows", supported values are azurelinux, '
        'ubuntu: spec.metadata.annotations["kaito.sh/node-image-family"]',
    ),
    (
        {"metadata.annotations": {"kaito.sh/performance-mode": "fast"}},
        'invalid value: "fast" is not a valid performance mode; choose one of: balanced, '
        "interactivity, throughput: metadata.annotations[kaito.sh/performance-mode]",
    ),
    (
        {"metadata.annotations": {"kaito.sh/use-local-weights": "True"}},
        'invalid value: "True" must be "true" or "false": '
        "metadata.annotations[kaito.sh/use-local-weights]",
    ),
    (
        {SIZE: "p5.48xlarge"},
        f"invalid value: Unsupported instance type p5.48xlarge. Supported SKUs: [{KNOWN_SIZES}]: "
        "resource.instanceType",
    ),
    (
        {"resource.partition": {"mode": "mig"}},
        "GPU partitioning is only supported with BYO nodes (disableNodeAutoProvisioning=true): "
        "resource.partition",
    ),
    (
        {SELECTOR: {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        'invalid value: operator "Exists" cannot be converted into the old label selector format: '
        "resource.labelSelector",
    ),
    (
        {SELECTOR: {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}},
        'invalid value: operator "In" without a single value cannot be converted into the old label '
        "selector format: resource.labelSelector",
    ),
    (
        {SELECTOR: {"matchLabels": {"kaito.sh/workspace": "x"}}},
        "invalid value: matchLabels must contain at least one non-reserved label: "
        "resource.labelSelector.matchLabels",
    ),
    (
        {"inference": {}},
        "missing field(s): inference.Preset or Template must be specified",
    ),
    (
        {"inference.template": {"spec": {}}},
        "Preset and Template cannot be set at the same time: ",
    ),
    (
        {PRESET: "falcon-7b"},
        "invalid value: Unsupported inference preset name falcon-7b: inference.presetName",
    ),
    (
        {PRESET: "phi-2"},
        "Model phi-2 is deprecated and no longer supported: resource.presetName\n"
        "invalid value: Unsupported inference preset name phi-2: inference.presetName",
    ),
    (
        {PRESET: "does-not-exist/model"},
        "invalid value: failed to get model preset: failed to fetch model files from "
        "https://huggingface.co/api/models/does-not-exist/model/tree/main: unexpected status 404: "
        "inference.preset",
    ),
    (
        {PRESET: "meta-llama/Llama-9B"},
        "invalid value: failed to get model preset: authentication required to read model "
        "meta-llama/Llama-9B on huggingface.co: status 401: inference.preset",
    ),
    (
        {PRESET: "no-weights/model"},
        "invalid value: failed to get model preset: no .safetensors or .bin files found for model "
        "no-weights/model: inference.preset",
    ),
    (
        {"metadata.annotations": TRANSFORMERS},
        "Runtime validation: model microsoft/phi-4-mini-instruct does not support inference with "
        "Huggingface Transformers runtime: ",
    ),
    (
        {ADAPTERS: [adapter(strength="0.5")]},
        "Runtime validation: vLLM does not support adapter strength: ",
    ),
    (
        {ADAPTERS: [adapter(f"a{i}") for i in range(11)]},
        "Number of Adapters exceeds the maximum limit, maximum of 10 allowed: ",
    ),
    (
        {ADAPTERS: [adapter(), adapter()]},
        "Duplicate adapter source name found: style: ",
    ),
    (
        {"inference.config": "absent"},
        "ConfigMap 'absent' specified in 'config' not found in namespace 'default': config",
    ),
]


@pytest.mark.parametrize(("changes", "said"), CREATE_ROWS)
def test_create_refuses(changes, said):
    assert errors_of(changed(preset_workspace(), changes)) == said


def test_create_refuses_both_inference_and_tuning():
    tuning = {"method": "lora", "preset": {"name": "phi-4"}, "input": {}, "output": {}}
    workspace = changed(preset_workspace(), {"tuning": tuning})

    first = errors_of(workspace).splitlines()[0]

    assert first == "Either Inference or Tuning must be specified, but not both: spec"


@pytest.mark.parametrize(
    ("count", "bypass", "said"),
    [
        (1, False, ["invalid value: Insufficient total GPU memory", "Multi-node distributed"]),
        (2, False, ["Multi-node distributed"]),
        (1, True, ["Multi-node distributed"]),
    ],
)
def test_transformers_memory_is_checked(count, bypass, said):
    annotations = TRANSFORMERS | ({"kaito.sh/bypass-resource-checks": "false"} if bypass else {})
    workspace = preset_workspace(preset="llama-3.3-70b-instruct")
    changes = {"metadata.annotations": annotations, "resource.count": count}

    lines = errors_of(changed(workspace, changes)).splitlines()

    assert sorted(line.split(": Instance")[0].split(" inference")[0] for line in lines) == sorted(
        said
    )


def test_insufficient_memory_is_told_in_quantities():
    workspace = preset_workspace(preset="llama-3.3-70b-instruct")

    lines = errors_of(changed(workspace, {"metadata.annotations": TRANSFORMERS})).splitlines()

    assert lines == [
        "Multi-node distributed inference is not supported with Huggingface Transformers runtime: ",
        "invalid value: Insufficient total GPU memory: Instance type Standard_NC24ads_A100_v4 has a "
        "total of 80Gi, but preset llama-3.3-70b-instruct requires at least 141111150511: "
        "resource.instanceType",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "missing field(s): inference_config.yaml in ConfigMap"),
        (
            "vllm: [1, 2]",
            "Failed to parse inference_config.yaml: yaml: unmarshal errors: cannot unmarshal into "
            "map[string]string: inference_config.yaml",
        ),
        (
            "vllm: {max-model-len: {a: 1}}",
            "Failed to parse inference_config.yaml: yaml: unmarshal errors: cannot unmarshal into "
            "map[string]string: inference_config.yaml",
        ),
        (
            "vllm: {max-model-len: many}",
            'invalid value: max-model-len must be an integer: strconv.Atoi: parsing "many": invalid '
            "syntax: max-model-len",
        ),
        (
            "vllm: {max-model-len: 999999}",
            "invalid value: max-model-len 999999 exceeds model's maximum supported context window "
            "131072 (ModelTokenLimit): max-model-len",
        ),
        ("vllm: {max-model-len: 4096}", ""),
        ("max_probe_steps: 6", ""),
    ],
)
def test_inference_config_is_read(text, said):
    assert errors_of(changed(preset_workspace(), {"inference.config": "config"}), text) == said


def tuning_workspace(**changes):
    tuning = {
        "preset": {"name": "phi-4"},
        "method": "QLoRA",
        "input": {"urls": ["https://example.com/data.json"]},
        "output": {"image": "example.com/out:1", "imagePushSecret": "push"},
    }
    workspace = changed(preset_workspace(), {"inference": None, "tuning": tuning})
    return changed(workspace, changes)


ONE_SOURCE = "Exactly one of URLs, Volume, or Image must be specified"
TUNING_ROWS = [
    ({}, ""),
    (
        {"resource.count": 2},
        "invalid value: Tuning does not currently support multinode configurations. Please set the "
        "node count to 1. Future support with DeepSpeed will allow this.: resource.count",
    ),
    (
        {"resource.partition": {"mode": "mig"}},
        "invalid value: GPU partitioning is not supported for tuning workloads: resource.partition",
    ),
    ({"tuning.method": "full"}, "invalid value: full: tuning.Method"),
    ({"tuning.preset": None}, "missing field(s): tuning.Preset"),
    (
        {"tuning.preset.name": "falcon"},
        "invalid value: Unsupported tuning preset name falcon: tuning.presetName",
    ),
    (
        {"tuning.config": "absent"},
        "Failed to evaluate validateConfigMap: ConfigMap 'absent' specified in 'config' not found in "
        "namespace 'default': tuning.Config",
    ),
    (
        {"tuning.config": "config"},
        "Failed to evaluate validateConfigMap: training_config.yaml in ConfigMap: tuning.Config",
    ),
    (
        {"tuning.input": {}},
        f"{ONE_SOURCE}: tuning.Input.Image, tuning.Input.URLs, tuning.Input.Volume",
    ),
    (
        {"tuning.input.image": "not an image", "tuning.input.urls": None},
        "invalid value: Unable to parse input image reference: invalid reference format: "
        "tuning.Input.Image",
    ),
    (
        {"tuning.output.imagePushSecret": None},
        "missing field(s): tuning.Output.Must specify imagePushSecret with destination image",
    ),
    (
        {"tuning.output": {}},
        "missing field(s): tuning.Output.Exactly one of Volume or Image must be specified",
    ),
    *(
        ({"tuning.input.urls": [url]}, f"invalid value: {said}: tuning.Input.URLs")
        for url, said in [
            ("nonsense", "invalid data source URL"),
            ("ftp://example.com/x", "data source URL must use HTTP or HTTPS"),
            (
                "http://localhost/x",
                "data source URL must not target a local or metadata endpoint",
            ),
            (
                "http://169.254.169.254/x",
                "data source URL must not target a loopback, private, or link-local address",
            ),
        ]
    ),
]


@pytest.mark.parametrize(("changes", "said"), TUNING_ROWS)
def test_tuning_rules(changes, said):
    assert errors_of(tuning_workspace(**changes)) == said


UPDATE_ROWS = [
    ({}, ""),
    ({"metadata.labels": {"a": "b"}, "inference.config": "other"}, ""),
    (
        {"inference": None, "tuning": {}},
        "Inference field cannot be toggled once set: spec.inference\n"
        "Tuning field cannot be toggled once set: spec.tuning",
    ),
    ({"resource.count": 2}, "field is immutable: resource.count"),
    ({"resource.count": None}, ""),
    ({"resource.partition": {"mode": "mig"}}, "field is immutable: resource.partition"),
    ({SELECTOR: {"matchLabels": {"x": "y"}}}, "field is immutable: resource.labelSelector"),
    (
        {SIZE: None},
        "missing field(s): resource.instanceType, resource.instanceType is required when node "
        "auto-provisioning is enabled",
    ),
    (
        {SIZE: H100},
        "instanceType cannot be changed once set when node auto-provisioning is enabled: "
        "resource.instanceType",
    ),
    (
        {"inference.preset.presetOptions": {"modelAccessSecret": "hf"}},
        "field is immutable: inference.preset",
    ),
    (
        {"inference.template": {}},
        "field cannot be unset/set if it was set/unset: inference.template",
    ),
    ({ADAPTERS: [adapter()]}, ""),
    ({ADAPTERS: [{}]}, "missing field(s): inference.Source"),
    (
        {ADAPTERS: [adapter("")]},
        "missing field(s): inference.Name of Adapter field must be specified",
    ),
    (
        {ADAPTERS: [adapter(strength="2")]},
        "Strength value for Adapter 'style' must be between 0 and 1: inference.adapter",
    ),
    (
        {ADAPTERS: [adapter(strength="much")]},
        "Invalid strength value for Adapter 'style': strconv.ParseFloat: parsing \"much\": invalid "
        "syntax: inference.adapter",
    ),
    (
        {ADAPTERS: [{"source": {"name": "x", "urls": ["https://example.com/x"]}}]},
        "Either Image or Volume must be specified for adapter source: inference.adapters.source\n"
        "URLs are not supported as adapter source: inference.adapters.source.urls",
    ),
]


@pytest.mark.parametrize(("changes", "said"), UPDATE_ROWS)
def test_update_rules(changes, said):
    old = preset_workspace()

    assert render(validate_update(changed(old, changes), old)) == said


def test_update_of_a_tuning_keeps_preset_method_and_input_name():
    old = tuning_workspace()
    changes = {
        "tuning.preset.name": "phi-3",
        "tuning.method": "lora",
        "tuning.input.name": "other",
    }

    assert render(validate_update(changed(old, changes), old)) == (
        "Method cannot be changed: tuning.Method\n"
        "Preset cannot be changed: tuning.Preset\n"
        "invalid value: During tuning Name field cannot be changed once set: tuning.Input.Name"
    )


CONTAINER = {"name": "x", "image": "y"}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"specs": {}}, 'json: unknown field "specs"'),
        ({"spec": {"container": []}}, 'json: unknown field "container"'),
        ({"spec": {"containers": [{"imagee": "y"}]}}, 'json: unknown field "imagee"'),
        (
            {"spec": {"volumes": [{"name": "v", "persistentVolumeClaims": {}}]}},
            'json: unknown field "persistentVolumeClaims"',
        ),
        (
            {"spec": {"containers": [{"env": [{"name": "A", "vale": "b"}]}]}},
            'json: unknown field "vale"',
        ),
        (
            {"spec": {"containers": [{"env": [{"name": "A", "value": 4}]}]}},
            "json: cannot unmarshal number into Go struct field "
            "Workspace.inference.template.spec.containers.env.value of type string",
        ),
        (
            {"spec": {"containers": {"name": "x"}}},
            "json: cannot unmarshal object into Go struct field "
            "Workspace.inference.template.spec.containers of type slice",
        ),
        ({"spec": {"Containers": [CONTAINER]}}, None),
        ({"metadata": {"labels": {"anything": "goes"}}, "spec": {"containers": [CONTAINER]}}, None),
    ],
)
def test_template_is_decoded_strictly(template, said):
    workspace = changed(template_workspace(), {"inference.template": template})
    prefix = "decoding request failed: cannot decode incoming new object: "

    told = denial(workspace, None, config_maps(""))

    assert told == (prefix + said if said else None)


def test_same_messages_are_merged_and_all_are_sorted():
    old = preset_workspace()
    changes = {"resource.count": 3, SELECTOR: {}, "inference.preset.name": "phi-4"}

    told = render(validate_update(changed(old, changes), old))

    assert told == "field is immutable: inference.preset, resource.count, resource.labelSelector"


PATH = "/apis/kaito.sh/v1beta1/namespaces/default/workspaces"


@pytest.mark.asyncio
@pytest.mark.parametrize("dry_run", ["", "?dryRun=All"])
async def test_refusal_is_a_bad_request(dry_run):
    cluster = build_cluster(None, seed=False)
    headers = {"Authorization": f"Bearer {cluster.authority.tokens['admin']}"}
    async with TestServer(make_app(cluster)) as server, aiohttp.ClientSession() as session:
        url = server.make_url(PATH + dry_run)
        async with session.post(url, json=preset_workspace(preset="x"), headers=headers) as answer:
            body = await answer.json()

    assert answer.status == 400
    assert (body["kind"], body["reason"], body["code"]) == ("Status", "BadRequest", 400)
    assert body["message"] == (
        'admission webhook "validation.workspace.kaito.sh" denied the request: validation failed: '
        "invalid value: Unsupported inference preset name x: inference.presetName"
    )
    assert cluster.store.list(WORKSPACES) == []


TRAINING = "training_config.yaml"
PREFIX = "Failed to evaluate validateConfigMap: "


@pytest.mark.parametrize(
    ("method", "text", "said"),
    [
        ("lora", "training_config: {ModelConfig: {}}", None),
        ("qlora", "training_config: {QuantizationConfig: {load_in_4bit: true}}", None),
        ("lora", "x: 1", "invalid value: Expected 'training_config' key to contain a map"),
        ("lora", "training_config: {Model: {}}", "invalid value: Unrecognized section: Model"),
        (
            "lora",
            "training_config: {QuantizationConfig: {load_in_4bit: 'yes'}}",
            "invalid value: value must be either nil or a boolean, got type string",
        ),
        (
            "lora",
            "training_config: {QuantizationConfig: {load_in_4bit: true}}",
            "For method 'lora', 'load_in_4bit' or 'load_in_8bit' in ConfigMap 'mine' must not be "
            "true",
        ),
        (
            "qlora",
            "training_config: {QuantizationConfig: {load_in_4bit: true, load_in_8bit: true}}",
            "Cannot set both 'load_in_4bit' and 'load_in_8bit' to true in ConfigMap 'mine'",
        ),
        (
            "qlora",
            "training_config: {}",
            "missing field(s): For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be "
            "true in ConfigMap 'mine'",
        ),
        (
            "lora",
            "training_config: {TrainingArguments: {output_dir: 7}}",
            "invalid value: output_dir is not a string",
        ),
        (
            "lora",
            "training_config: {TrainingArguments: {output_dir: ../etc}}",
            "invalid value: Invalid output_dir specified: '../etc', must be a directory",
        ),
        (
            "lora",
            "training_config: {TrainingArguments: {output_dir: /}}",
            "invalid value: Invalid output_dir specified: '/', must be a directory",
        ),
        ("lora", "training_config: {TrainingArguments: {output_dir: results}}", None),
    ],
)
def test_training_config_rules(method, text, said):
    workspace = tuning_workspace(**{"tuning.method": method, "tuning.config": "mine"})
    found = {"mine": {"data": {TRAINING: text}}}

    told = render(validate_create(workspace, lambda _namespace, name: found.get(name)))

    assert told == (f"{PREFIX}{said}: tuning.Config" if said else "")


def test_tuning_without_a_config_needs_the_operators_template():
    told = render(validate_create(tuning_workspace(), lambda *_: None))

    assert told == (
        f"{PREFIX}ConfigMap 'qlora-params-template' specified in 'config' not found in namespace "
        "'default': tuning.Config"
    )
