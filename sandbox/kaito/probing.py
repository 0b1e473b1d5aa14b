"""Probes against the servers that the sandbox knows: which of them can never succeed. Pure.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from __future__ import annotations

from typing import Any

from sandbox.kaito.serving import CHAT, TRANSFORMERS, VLLM, Serving

KINDS = ("startupProbe", "livenessProbe", "readinessProbe")
COMMON = frozenset({"/health", "/metrics", "/openapi.json", "/docs"})
PATHS = {
    VLLM: COMMON | {"/version", "/v1/models", "/ping"},
    TRANSFORMERS: COMMON | {"/v1/models"},
    CHAT: COMMON | {"/"},
}

Raw = dict[str, Any]


def failing_probe(pod: Raw, serving: Serving) -> tuple[str, str] | None:
    """The first probe that fails although the server is up, with the kubelet's sentence.

    Of startup and liveness probes comes a restart, so they are named before the readiness probe.
    """
    container = pod["spec"]["containers"][0]
    for kind in KINDS:
        why = _failure(pod, container, container.get(kind) or {}, serving)
        if why is not None:
            said = kind.removesuffix("Probe").capitalize()
            return kind, f"{said} probe failed: {why}"
    return None


def _failure(pod: Raw, container: Raw, probe: Raw, serving: Serving) -> str | None:
    if "tcpSocket" in probe:
        port = _port(container, probe["tcpSocket"].get("port"))
        target = f"{_address(pod)}:{port}"
        return None if port == serving.port else f"dial tcp {target}: connect: connection refused"
    if "httpGet" not in probe:
        return None
    port, path = _port(container, probe["httpGet"].get("port")), probe["httpGet"].get("path", "/")
    if port != serving.port:
        target = f"{_address(pod)}:{port}"
        return f'Get "http://{target}{path}": dial tcp {target}: connect: connection refused'
    if path not in PATHS[serving.dialect]:
        return "HTTP probe failed with statuscode: 404"
    return None


def _port(container: Raw, port: object) -> object:
    """A name stands for the container's port of that name."""
    named = {each.get("name"): each["containerPort"] for each in container.get("ports") or []}
    return named.get(port, port) if isinstance(port, str) else port


def _address(pod: Raw) -> str:
    return (pod.get("status") or {}).get("podIP", "")
