"""Vendored files are what the manifest says, and the sprite holds every icon in use."""

from __future__ import annotations

import hashlib
import importlib.util
import re

import pytest
from django.conf import settings

from workspaces.types import Phase

VENDOR = settings.BASE_DIR / "static" / "vendor"
CSS = settings.BASE_DIR / "static" / "css"
TEMPLATES = settings.BASE_DIR / "templates"
MANIFEST_ROW = re.compile(r"^\| \S+ \| \S+ \| \S+ \| `(\S+)` \| `([0-9a-f]{64})` \|$", re.MULTILINE)
ICON_TAG = re.compile(r"""{%\s*(?:icon|status\s+\S+)\s+["']([^"']+)["']""")


@pytest.fixture(scope="module")
def make_icons():
    spec = importlib.util.spec_from_file_location(
        "make_icons", settings.BASE_DIR / "scripts" / "make_icons.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_manifest_names_every_vendored_file_by_its_hash():
    rows = dict(MANIFEST_ROW.findall((VENDOR / "MANIFEST.md").read_text()))

    files = [
        f for f in VENDOR.rglob("*") if f.is_file() and f.name not in {"LICENSE", "MANIFEST.md"}
    ]
    assert rows == {
        str(f.relative_to(VENDOR)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def test_every_vendored_package_has_its_licence():
    assert [d.name for d in VENDOR.iterdir() if d.is_dir() and not (d / "LICENSE").is_file()] == []


def test_sprite_holds_every_icon_that_templates_name(make_icons):
    used = {
        name for page in TEMPLATES.rglob("*.html") for name in ICON_TAG.findall(page.read_text())
    }

    assert used - make_icons.drawn_names() == set()


def test_sprite_holds_the_icon_of_every_phase(make_icons):
    assert {phase.icon for phase in Phase} - make_icons.drawn_names() == set()


def test_sprite_holds_nothing_that_is_not_used(make_icons):
    assert make_icons.drawn_names() - make_icons.used_names() == set()


def test_symbol_drops_the_bounding_path(make_icons):
    svg = '<svg\n  class="icon"\n>\n  <path stroke="none" d="M0 0h24v24H0z" fill="none" />\n  <path d="M1 1" />\n</svg>'

    assert make_icons.symbol("dot", svg) == (
        '<symbol id="dot" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"'
        ' stroke-linecap="round" stroke-linejoin="round"><path d="M1 1"/></symbol>'
    )


def test_style_sheet_stays_small():
    assert len((CSS / "kaitoweb.css").read_text().splitlines()) < 300


@pytest.mark.parametrize("what", [r"\sstyle=", r"\son[a-z]+=", r"hx-on", r"<script>", r"<style"])
def test_templates_hold_nothing_that_the_policy_refuses(what):
    found = [
        f"{page.relative_to(TEMPLATES)}: {line.strip()}"
        for page in TEMPLATES.rglob("*.html")
        for line in page.read_text().splitlines()
        if re.search(what, line)
    ]

    assert found == []
