"""Where the model of a workspace is reached, and how one speaks to it: addresses and code to copy."""

from __future__ import annotations

import json
from dataclasses import dataclass

from workspaces import catalogue
from workspaces.models import Workspace
from workspaces.queries.colouring import Line, coloured
from workspaces.types import Dialect, Recipe, Runtime

LANGUAGES = ("curl", "python")
_DEFAULT_CONTEXT = 2048  # tokens
_ANSWER = 200  # tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    url: str
    model: str
    dialect: Dialect
    is_expected: bool  # the dialect follows from the manifest only; no server has been seen yet
    external: str
    code: str
    language: str
    lines: tuple[Line, ...]


def endpoint(workspace: Workspace, language: str = "curl") -> Endpoint:
    known = Dialect(workspace.dialect or "unknown")
    dialect = known if known != Dialect.UNKNOWN else expected_dialect(workspace)
    host = f"http://{workspace.name}.{workspace.namespace}.svc.cluster.local"
    code = _code(language, dialect, host, workspace.model)
    return Endpoint(
        url=host,
        model="" if dialect == Dialect.CHAT else catalogue.served_name(workspace.model),
        dialect=dialect,
        is_expected=known == Dialect.UNKNOWN,
        external=workspace.external_address,
        code=code,
        language=language,
        lines=coloured(code, language),
    )


def expected_dialect(workspace: Workspace) -> Dialect:
    if workspace.recipe == Recipe.PRESET:
        is_vllm = workspace.runtime == Runtime.VLLM
        return Dialect.VLLM if is_vllm else Dialect.TRANSFORMERS
    return Dialect.CHAT if workspace.recipe == Recipe.CPU_CONTAINER else Dialect.UNKNOWN


def _code(language: str, dialect: Dialect, host: str, model: str) -> str:
    if dialect == Dialect.UNKNOWN:
        return f"curl -s {host}/openapi.json" if language == "curl" else _PYTHON_LOOK.format(host)
    if dialect == Dialect.CHAT:
        body = json.dumps(chat_body("Hello", model), indent=2)
        if language == "curl":
            return f"curl -s {host}/chat \\\n  -H 'content-type: application/json' -d '{body}'"
        return _PYTHON_CHAT.format(host, _python(body))
    name = catalogue.served_name(model)
    if language == "curl":
        return _CURL_OPENAI.format(host, name)
    return _PYTHON_OPENAI.format(host, name)


def chat_body(prompt: str, model: str) -> dict[str, object]:
    """The older server cuts a prompt at max_length without a word and ignores it for the answer; so send both.

    https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/text-generation/inference_api.py
    """
    known = catalogue.preset(model)
    return {
        "prompt": prompt,
        "return_full_text": False,
        "generate_kwargs": {
            "max_new_tokens": _ANSWER,
            "max_length": known.context_tokens if known else _DEFAULT_CONTEXT,
        },
    }


def _python(body: str) -> str:
    return body.replace("false", "False").replace("\n", "\n    ")


_CURL_OPENAI = """curl -sN {0}/v1/chat/completions \\
  -H 'content-type: application/json' -d '{{
    "model": "{1}", "stream": true, "max_tokens": 200,
    "messages": [{{"role": "user", "content": "Hello"}}]
  }}'"""

_PYTHON_OPENAI = """from openai import OpenAI

client = OpenAI(
    base_url="{0}/v1",
    api_key="none",  # KAITO has no key of its own
)
answer = client.chat.completions.create(
    model="{1}",
    max_tokens=200,
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)"""

_PYTHON_CHAT = """import httpx

answer = httpx.post(
    "{0}/chat",
    json={1},
    timeout=300,  # s; it answers in one piece
)
print(answer.raise_for_status().json()["Result"])"""

_PYTHON_LOOK = """import httpx

print(httpx.get("{0}/openapi.json").json()["paths"])"""
