"""What makes a deployment fail in the sandbox, on purpose. docs/sandbox.md is the list for people.

Pure: names in, a verdict out. The texts are those of Azure, Hugging Face and containerd.
"""

from __future__ import annotations

from dataclasses import dataclass

SLOW_ANNOTATION = "sandbox.kaitoweb/extra-download-seconds"
LOCATION = "eastus"
GATED = ("meta-llama/", "google/gemma-3-")
MISSING_TAG = "does-not-exist"

# Organisations whose every model answers like this when KAITO looks it up on Hugging Face.
HUB_ANSWERS = {
    "does-not-exist": (
        "failed to fetch model files from https://huggingface.co/api/models/{id}/tree/main: "
        "unexpected status 404"
    ),
    "no-weights": "no .safetensors or .bin files found for model {id}",
    "unsupported-architecture": (
        "unsupported model architecture SandboxForCausalLM of model {id}: "
        "not in the list of architectures that vLLM serves"
    ),
}


@dataclass(frozen=True, slots=True)
class ImageProblem:
    """`detail` is what containerd says; `code` its gRPC code."""

    code: str
    detail: str

    @property
    def rpc_error(self) -> str:
        return f"rpc error: code = {self.code} desc = {self.detail}"


def is_gated(model_id: str) -> bool:
    return model_id.lower().startswith(GATED)


def hub_refusal(model_id: str, *, has_token: bool) -> str | None:
    """Why KAITO cannot look up a model id that its catalogue does not know."""
    answer = HUB_ANSWERS.get(model_id.split("/", 1)[0].lower())
    if answer is not None:
        return answer.format(id=model_id)
    if is_gated(model_id) and not has_token:
        return f"authentication required to read model {model_id} on huggingface.co: status 401"
    return None


def is_unknown_host(host: str) -> bool:
    """The name that nothing may ever have: https://www.rfc-editor.org/rfc/rfc2606"""
    return host.endswith(".invalid")


def image_problem(image: str) -> ImageProblem | None:
    host, _, _ = image.partition("/")
    _, _, tag = image.rpartition(":")
    full = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": '
    if is_unknown_host(host.split(":")[0]):
        lookup = f"dial tcp: lookup {host.split(':')[0]}: no such host"
        return ImageProblem(
            "Unknown", f'{full}failed to do request: Head "https://{host}": {lookup}'
        )
    if tag == MISSING_TAG:
        return ImageProblem("NotFound", f"{full}{image}: not found")
    return None


def extra_download_s(annotations: dict[str, str] | None) -> float:
    try:
        return max(0.0, float((annotations or {}).get(SLOW_ANNOTATION, "0")))
    except ValueError:
        return 0.0
