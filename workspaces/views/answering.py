"""The one rule for "whole page or part of it", so that each address serves both."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from accounts.types import HtmxHttpRequest


def answer(
    request: HtmxHttpRequest, template: str, part: str, context: dict[str, Any]
) -> HttpResponse:
    """`template` whole, or only its partial `part` when htmx asks for a part."""
    name = f"{template}#{part}" if wants_part(request) else template
    response = render(request, name, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def wants_part(request: HtmxHttpRequest) -> bool:
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request
