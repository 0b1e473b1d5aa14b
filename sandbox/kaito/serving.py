"""Which server runs in a container, read off its command and image, as anyone outside must do.

https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sandbox.kaito.presets import find_preset
from sandbox.kaito.releases import CURRENT, engine_version
from sandbox.kaito.workspaces import PORT

VLLM, TRANSFORMERS, CHAT = "vllm", "tfs", "chat008"
LOADING = "vllm-loading"
DEFAULT_WEIGHTS = "/workspace/tfs/weights"
FIRST_OPENAI_TAG = (0, 2)

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    dialect: str
    name: str  # what the server calls its model
    model_id: str  # a Hugging Face id, or a path in the container
    dtype: str = "auto"
    nodes: int = 1
    port: int = PORT
    adapters: tuple[str, ...] = ()
    engine: str = CURRENT.engine_version

    def url(self, model_url: str) -> str:
        """Names of adapters follow that of the model, each after a semicolon."""
        names = ";".join([self.name, *self.adapters])
        return f"{model_url.rstrip('/')}/{self.dialect}/{quote(names, safe='')}"

    def loading_url(self, model_url: str) -> str:
        """vLLM's stand-in, which holds the port while weights are downloaded."""
        return f"{model_url.rstrip('/')}/{LOADING}/{quote(self.name, safe='')}"

    @property
    def is_download(self) -> bool:
        return not self.model_id.startswith("/")


def serving_of(container: Raw, adapters: tuple[str, ...] = ()) -> Serving | None:
    """None: whatever runs there, it is not one of KAITO's servers."""
    line = " ".join([*(container.get("command") or []), *(container.get("args") or [])])
    if "vllm/inference_api.py" in line:
        model_id = flag(line, "model") or "/workspace/vllm/weights"
        name = flag(line, "served-model-name") or model_id
        return Serving(
            dialect=VLLM,
            name=name,
            model_id=model_id,
            dtype=flag(line, "dtype") or "auto",
            nodes=int(flag(line, "pipeline-parallel-size") or 1),
            port=int(flag(line, "port") or PORT),
            adapters=adapters if "--enable-lora" in line else (),
            engine=engine_version(container.get("image") or ""),
        )
    if "tfs/inference_api.py" in line:
        return _transformers(line, container.get("image") or "")
    return None


def _transformers(line: str, image: str) -> Serving:
    model_id = flag(line, "pretrained_model_name_or_path") or DEFAULT_WEIGHTS
    dtype = flag(line, "torch_dtype") or "auto"
    if is_legacy_image(image):
        return Serving(dialect=CHAT, name=model_id, model_id=model_id, dtype=dtype)
    known = find_preset(model_id)
    name = known.served_name if known else model_id.rstrip("/").rsplit("/", 1)[-1].lower()
    return Serving(dialect=TRANSFORMERS, name=name, model_id=model_id, dtype=dtype)


def flag(line: str, name: str) -> str | None:
    found = re.search(rf"--{re.escape(name)}[= ]+(['\"]?)([^'\"\s;]+)\1", line)
    return found.group(2) if found else None


def is_legacy_image(image: str) -> bool:
    """kaito-base before 0.2.0, and the images of one model each before that, speak /chat."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    if name != "kaito-base":
        return True
    found = re.match(r"(\d+)\.(\d+)", tag)
    return found is not None and (int(found.group(1)), int(found.group(2))) < FIRST_OPENAI_TAG
