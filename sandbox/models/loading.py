"""What holds vLLM's port while the weights are downloaded: KAITO's stub knows only /metrics.

https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/inference/vllm/inference_api.py
Nothing is downloaded here: the gauges tell of a pretended download of ten seconds that begins when
somebody first looks, and begins anew after a minute without a look.
"""

import time
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from sandbox.models.answers import prometheus

_DOWNLOAD_S = 10.0
_FORGET_S = 60.0
_SPEED = 250e6  # bytes a second: a usual figure from Hugging Face to a VM on Azure


@dataclass(slots=True)
class Downloads:
    """When each pretended download was first and last looked at, by served name."""

    speed: float = 1.0
    looks: dict[str, tuple[float, float]] = field(default_factory=dict)

    def remaining_s(self, name: str, now: float) -> float:
        began, last = self.looks.get(name, (now, now))
        if now - last > _FORGET_S:
            began = now
        self.looks[name] = (began, now)
        return max(0.0, _DOWNLOAD_S / self.speed - (now - began))


DOWNLOADS = web.AppKey("downloads", Downloads)


def routes() -> list[web.RouteDef]:
    return [
        web.get("/vllm-loading/{name}/metrics", _metrics),
        web.route("*", "/vllm-loading/{name}/{tail:.*}", _nothing),
    ]


async def _nothing(request: web.Request) -> web.Response:
    return web.Response(status=404)


async def _metrics(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    remaining_s = request.app[DOWNLOADS].remaining_s(name, time.monotonic())
    registry = CollectorRegistry()
    Gauge(
        "kaito_model_download_speed_bytes_per_second",
        "Current model download speed in bytes per second",
        registry=registry,
    ).set(_SPEED if remaining_s else 0)
    Gauge(
        "kaito_model_download_remaining_seconds",
        "Estimated remaining time for model download in seconds; -1 when unknown",
        registry=registry,
    ).set(remaining_s)
    return prometheus(generate_latest(registry))
