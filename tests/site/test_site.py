"""The docs site as it is built: without a warning, without a dead link, and without another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from raftops.spec.model.assistant import Assistant
from tests.site.pages import PAGES, ROOT, name

pytestmark = pytest.mark.slow


class Links(HTMLParser):
    """What a page links to, what it loads, and the anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value for key, value in attrs if value}
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") == "canonical":
            return
        elif tag in ("link", "script", "img", "iframe", "source", "image", "use"):
            self.loaded += [given[key] for key in ("href", "src", "xlink:href") if key in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    found = {path: Links(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    assert len(found) > len(PAGES)
    return found


def test_every_page_is_built(site: Path) -> None:
    assert [name(page) for page in PAGES if not (site / name(page)).with_suffix(".html").is_file()] == []


def dead_links(site: Path, pages: dict[Path, Links]) -> list[tuple[str, str]]:
    """Links within the site to a page, file or anchor that is not there, each with its page."""
    dead = []
    for page, found in pages.items():
        for link in (*found.links, *found.loaded):
            to = urlsplit(link)
            if to.scheme or to.netloc or page.name == "404.html":  # its links are absolute: it stands in for any page
                continue
            target = (page.parent / unquote(to.path)).resolve() if to.path else page
            target = target / "index.html" if target.is_dir() else target
            whole = target.is_file() and target.is_relative_to(site)
            if not whole or (to.fragment and target in pages and to.fragment not in pages[target].anchors):
                dead.append((str(page.relative_to(site)), link))
    return dead


def test_no_link_is_dead(site: Path, pages: dict[Path, Links]) -> None:
    assert sum(len(found.links) for found in pages.values()) > 1000
    assert dead_links(site, pages) == []


@pytest.mark.parametrize("link", ["gone.html", "start/pip.html#gone", "../outside.html", "gone.svg"])
def test_a_dead_link_is_seen(link: str, site: Path, pages: dict[Path, Links]) -> None:
    broken = {site / "index.html": Links(f'<a href="{link}">there</a>')}
    assert dead_links(site, pages | broken) == [("index.html", link)]


def test_no_other_host_is_asked_for_anything(site: Path, pages: dict[Path, Links]) -> None:
    asked = {link for found in pages.values() for link in found.loaded if urlsplit(link).netloc}
    styles = "\n".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    asked |= set(re.findall(r"url\(\s*['\"]?((?:https?:)?//[^)]+)\)|@import[^;]+//[^;]+", styles))
    assert styles and asked == set()


def test_every_setting_of_the_models_stands_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "spec.html").read_text(encoding="utf-8")

    def settings(model: type, seen: set[type]) -> set[str]:
        seen.add(model)
        named = set()
        for key, field in model.model_fields.items():
            named.add(field.alias or key)
            for inner in _models(field.annotation):
                named |= settings(inner, seen) if inner not in seen else set()
        return named

    known = settings(Assistant, set())
    assert len(known) > 150 and [key for key in sorted(known) if f"<code>{key}</code>" not in text] == []


def _models(annotation: object) -> list[type]:
    """The sections inside a field's type."""
    inner = getattr(annotation, "__args__", ())
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        return [annotation]
    return [model for part in inner for model in _models(part)]
