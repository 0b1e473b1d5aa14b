"""The documents hold together: links lead somewhere, pictures are shown, and the tests that are named exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`(test_\w+)(…?)`")
DEFINED_TEST = re.compile(r"def (test_\w+)\(")


def anchors(path):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_nowhere(page, link):
    name, _, anchor = link.partition("#")
    target = (page.parent / name) if name else page
    return not target.exists() or (anchor and anchor not in anchors(target))


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if leads_nowhere(page, link)] == []


def test_every_picture_of_a_fault_is_shown():
    text = "\n".join((ROOT / name).read_text() for name in PAGES)
    pictures = (ROOT / "docs/images/faults").glob("*.png")
    names = {path.relative_to(ROOT / "docs").as_posix() for path in pictures}
    assert {name for name in names if name not in text} == set()


def test_tests_that_are_named_exist():
    """A name that ends in … stands for all that begin so."""
    sources = "\n".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    there = DEFINED_TEST.findall(sources)
    named = {pair for name in PAGES for pair in NAMED_TEST.findall((ROOT / name).read_text())}
    assert named
    missing = {
        name
        for name, more in named
        if not any(each == name or (more and each.startswith(name)) for each in there)
    }
    assert missing == set()
