"""The reference of the site leaves no public name out; versions of the site lead to each other."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.monitoring.browser import browser

DOCS = Path(__file__).parents[2] / "docs"
ELSEWHERE = {"DataFlowKernelLoader"}
"""Parsl's class below ``load``, ``clear`` and their relatives, which have pages of their own."""


@pytest.mark.parametrize("module", ["", ".executors", ".providers", ".launchers", ".checkpoint", ".monitoring"])
def test_every_public_name_has_a_page(module: str) -> None:
    listed = {
        name.rpartition(".")[2]
        for name in re.findall(r"^   ([\w.]+)$", (DOCS / "reference" / "api.md").read_text(), re.M)
    }
    names = importlib.import_module(f"parsl_on_dask{module}").__all__
    assert [name for name in names if name not in listed | ELSEWHERE] == []


def test_versions_lead_to_each_other(tmp_path: Path) -> None:
    for name in ("1.0.0", "1.10.0", "1.9.0", "2.0.0.dev1", "pictures"):
        (tmp_path / name / "how-to").mkdir(parents=True)
        (tmp_path / name / "index.html").touch()
    (tmp_path / "1.9.0" / "how-to" / "new.html").touch()
    subprocess.run([sys.executable, DOCS / "_extensions" / "versions.py", tmp_path], check=True)
    listed = json.loads((tmp_path / "versions.js").read_text().partition(" = ")[2].rstrip(";\n"))
    assert [each["version"] for each in listed] == ["1.10.0", "1.9.0", "1.0.0", "2.0.0.dev1"]
    assert [each["pages"] for each in listed[:2]] == [["index.html"], ["how-to/new.html", "index.html"]]
    assert "url=1.10.0/index.html" in (tmp_path / "index.html").read_text()


PAGE = """<!DOCTYPE html><html data-content_root="{root}"><script>
DOCUMENTATION_OPTIONS = {{VERSION: "{version}", pagename: "{name}"}}
</script><script src="{script}"></script><select class="versions" hidden></select></html>
"""


def test_the_menu_leads_to_the_same_page_of_another_version(tmp_path: Path) -> None:
    """Read from files, as the site may be; where the other version has no such page, it is the first one."""
    script = (DOCS / "_static" / "versions.js").as_uri()
    for version, pages in {"2.0": ["index", "how-to/old", "how-to/new"], "1.0": ["index", "how-to/old"]}.items():
        for name in pages:
            page = tmp_path / version / f"{name}.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            root = "../" if "/" in name else "./"
            page.write_text(PAGE.format(root=root, version=version, name=name, script=script))
    subprocess.run([sys.executable, DOCS / "_extensions" / "versions.py", tmp_path], check=True)
    with browser() as chromium, chromium.page() as page:
        page.goto((tmp_path / "index.html").as_uri())
        page.wait_for_url("**/2.0/index.html")
        for name, there in (("how-to/old", "how-to/old"), ("how-to/new", "index")):
            page.goto((tmp_path / "2.0" / f"{name}.html").as_uri())
            menu = page.locator("select.versions")
            menu.wait_for()
            assert menu.locator("option:checked").text_content() == "2.0"
            menu.select_option(label="1.0")
            page.wait_for_url(f"**/1.0/{there}.html")
        assert chromium.errors == [] and chromium.elsewhere == []
