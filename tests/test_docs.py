"""The documentation builds offline, asks nothing of other sites, and says what its commands say today."""

import contextlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnzoo.catalog import CATALOG
from nnzoo.drawing import draw
from nnzoo.pictures.scene import to_svg

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
spec = importlib.util.spec_from_file_location("refresh", DOCS / "refresh.py")
refresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(refresh)
UNIT = (DOCS / "unit.md").read_text()
BLOCKS = [block for measured, block in refresh.BLOCK.findall(UNIT) if not measured]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_builds_and_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert {"index.html", "unit.html", "chart.html", "promises.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text()
        assert not re.search(r'<(?:script|link|img|iframe|object)[^>]*(?:src|href|data)="(?:https?:)?//', text), page


def test_every_link_of_the_site_leads_somewhere(site):
    for page in set(site.rglob("*.html")) - {site / "404.html"}:
        found = re.findall(r'(?:href|src|data)="([^"#?]+)', page.read_text())
        for link in found:
            if not re.match(r"(?:[a-z]+:|//)", link):
                assert (page.parent / link).exists(), (page, link)


def test_every_picture_of_the_chart_leads_to_a_page(site):
    links = re.findall(r'href="([^"]*)"', (DOCS / "pictures" / "chart.svg").read_text())
    assert len(links) == len(CATALOG)
    assert all((site / "pictures" / link).resolve().is_file() for link in links)


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split("\n")[0][2:60] for block in BLOCKS])
def test_the_unit_says_what_its_commands_say(block, tmp_path):
    with contextlib.chdir(tmp_path):
        assert refresh.refreshed(block) == block


def test_the_worked_examples_of_the_unit_are_there():
    for words in (
        "p[1] = e^2 / 11.107 = 7.3891 / 11.107 = 0.66524",
        "Z[1, 1] = 1·0 + 0·10 + 0·20 + 2·30 = 60",
        "28 + 5 - 1 = 32",
        "732 KiB",
        "N + K - 1",
    ):
        assert words in UNIT


@pytest.mark.parametrize("name", refresh.PAGES)
def test_a_page_of_the_unit_is_what_its_command_makes(name, tmp_path):
    with contextlib.chdir(tmp_path):
        refresh.run(f"{refresh.PAGES[name]} --html page.html")
    assert (tmp_path / "page.html").read_text() == (DOCS / "pages" / refresh.page_name(name)).read_text()


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.abbreviation)
def test_every_listed_network_has_its_page_and_its_drawing(row):
    assert (DOCS / "networks" / f"{row.id}.md").read_text() == refresh.network_page(row)
    assert (DOCS / "pictures" / f"{row.id}.svg").read_text() == to_svg(draw(row.id))
    assert f"networks/{row.id}.md" in (ROOT / "mkdocs.yml").read_text()
    assert f"(networks/{row.id}.md)" in (DOCS / "chart.md").read_text()


def test_no_page_is_larger_than_a_megabyte():
    assert max(page.stat().st_size for page in (DOCS / "pages").iterdir()) < 10**6
