"""The banner of a page: what is wrong with the clusters that it is about."""

from __future__ import annotations

from typing import Any

from django import template

from kaitoweb.troubles import banner

register = template.Library()


@register.inclusion_tag("includes/_banner.html", takes_context=True)
def troubles(
    context: template.Context, place: str | None = None, *, deed: str = "", **flags: bool
) -> dict[str, Any]:
    """`place` names the cluster; without it that of the page's address or filter. For the flags see Banner.

    Nothing for who is not signed in.
    """
    clusters = context.get("clusters")
    if not clusters:
        return {}
    where = context["scope"].cluster if place is None else place
    return {
        "banner": banner(clusters, place=where, deed=deed, **flags),
        "person_may_administer": context["person_may_administer"],
    }
