"""Makes static/icons.svg: one sprite of the Tabler icons that the product uses.

    npm pack @tabler/icons@3.52.0 && tar xf tabler-icons-3.52.0.tgz
    python scripts/make_icons.py package

A name is used where a template says `{% icon "name" %}` or `{% status tone "name" word %}`, where any string in
the product's Python and JavaScript is one (a word too many costs less than an icon that is missing), or in EXTRA.
More names may follow on the command line, for what is being written.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPRITE = ROOT / "static" / "icons.svg"
ROOMS = ("accounts", "audit", "clusters", "kaitoweb", "playground", "workspaces")
EXTRA = ("question-mark",)  # stands in for what has no icon of its own
NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
TAG = re.compile(r"{%\s*(?:icon|status)\s+(.*?)%}")
QUOTED = re.compile(r"""["']([^"']*)["']""")
SYMBOL_ID = re.compile(r'<symbol id="([^"]+)"')


def used_names() -> set[str]:
    """Every string that may be an icon's name; `main` keeps those that are."""
    names = set(EXTRA)
    for template in (ROOT / "templates").rglob("*.html"):
        for tag in TAG.findall(template.read_text()):
            names.update(QUOTED.findall(tag))
    for script in (ROOT / "static" / "js").glob("*.js"):
        names.update(QUOTED.findall(script.read_text()))
    for room in ROOMS:
        for module in (ROOT / room).rglob("*.py"):
            names.update(_strings(ast.parse(module.read_text())))
    return {name for name in names if NAME.fullmatch(name)}


def _strings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def drawn_names() -> set[str]:
    """The icons that the sprite holds now."""
    return set(SYMBOL_ID.findall(SPRITE.read_text()))


def icon_file(package: Path, name: str) -> Path:
    return package / "icons" / "outline" / f"{name}.svg"


def symbol(name: str, svg: str) -> str:
    """The icon as a <symbol>; Tabler's invisible bounding path is left out."""
    inside = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)
    assert inside is not None, name
    paths = [p for p in re.findall(r"<[a-z]+ [^>]*/>", inside.group(1)) if 'stroke="none"' not in p]
    drawing = "".join(re.sub(r"\s*/>$", "/>", p) for p in paths)
    return (
        f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        f' stroke-linecap="round" stroke-linejoin="round">{drawing}</symbol>'
    )


def main(package: Path, more: list[str]) -> None:
    names = sorted(n for n in {*used_names(), *more} if icon_file(package, n).is_file())
    symbols = [symbol(name, icon_file(package, name).read_text()) for name in names]
    head = "<!-- Made by scripts/make_icons.py from @tabler/icons 3.52.0 (MIT). -->"
    body = "\n".join(symbols)
    SPRITE.write_text(f'<svg xmlns="http://www.w3.org/2000/svg">\n{head}\n{body}\n</svg>\n')
    sys.stdout.write(f"{len(names)} icons, {SPRITE.stat().st_size} bytes\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
