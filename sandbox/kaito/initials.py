"""Init containers of KAITO's pods: what they fetch, and how it fails. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/pkg/workspace/image/puller.sh
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sandbox.kaito.triggers import image_problem, is_unknown_host

Raw = dict[str, Any]


def init_failure(pod: Raw, container: Raw) -> list[str] | None:
    """The last lines of an init container that does not succeed; None if it does."""
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if words[:2] == ["oras", "pull"] and len(words) > 2:
        return _pull_failure(words[2])
    if container["name"] == "data-downloader":
        env = {each["name"]: each.get("value", "") for each in container.get("env") or []}
        return _download_failure(env.get("DATA_URLS", "").split())
    return None


def _pull_failure(image: str) -> list[str] | None:
    problem = image_problem(image)
    if problem is None:
        return None
    host = image.partition("/")[0]
    why = f"{image}: not found"
    if problem.code != "NotFound":
        why = f'Head "https://{host}/v2/": dial tcp: lookup {host}: no such host'
    return [f"Error response from registry: failed to resolve {image}: {why}"]


def _download_failure(urls: list[str]) -> list[str] | None:
    for url in urls:
        host = urlsplit(url).hostname or ""
        if is_unknown_host(host):
            return [
                f"Downloading {url}",
                f"curl: (6) Could not resolve host: {host}",
                f"Failed to download {url}",
            ]
        if url.endswith("/does-not-exist"):
            return [
                f"Downloading {url}",
                "curl: (22) The requested URL returned error: 404",
                f"Failed to download {url}",
            ]
    return None
