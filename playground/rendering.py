"""A finished answer as HTML. A model may say anything, so its text is the least trusted there is.

Markdown's own HTML is off, what comes out is cleaned by an allow-list all the same, links lead to http and https
only and into a new tab (the conversation lives in the page), and there are no images: one would tell its server
what was said.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

MOST_RENDERED = 100_000  # characters; what is longer is shown as it is
_TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "a", "div"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}


def render_answer(text: str) -> SafeString:
    if len(text) > MOST_RENDERED:
        return mark_safe(f'<p class="plain">{escape(text)}</p>')  # noqa: S308 - escaped here
    return mark_safe(_clean(_markdown().render(text)))  # noqa: S308 - cleaned here


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes={"*": set(), "a": {"href"}, "ol": {"start"}},
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
        allowed_classes={"table": {"table"}, "div": {"table-responsive"}},
        # What may scroll sideways must be reached by keyboard.
        set_tag_attribute_values={
            "a": {"target": "_blank", "class": "text-decoration-underline"},
            "pre": {"tabindex": "0"},
            "div": {"tabindex": "0"},
        },
    )


def _markdown() -> MarkdownIt:
    """A new one each time: it is cheap, and its state must not be shared between threads."""
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
    markdown.enable(["table", "strikethrough"]).disable("image")
    for rule, html in _RULES.items():
        markdown.add_render_rule(rule, _fixed(html))
    return markdown


# Headings of an answer are no headings of the page; wide tables scroll by themselves.
_RULES = {
    "heading_open": "<p><strong>",
    "heading_close": "</strong></p>\n",
    "table_open": '<div class="table-responsive"><table class="table">\n',
    "table_close": "</table></div>\n",
}


def _fixed(html: str) -> Any:  # noqa: ANN401 - a render rule, whose type the library does not name
    def render(
        renderer: RendererHTML,
        tokens: Sequence[Token],
        index: int,
        options: object,
        env: MutableMapping[str, Any],
    ) -> str:
        return html

    return render
