"""What leads from one version of the site to the others: ``python docs/_extensions/versions.py build/site``.

The folder gets ``versions.js``, a list for the menu of each page, and ``index.html``, which leads to the newest one.
Both are made of the folders that lie there, and need no server.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version

INDEX = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={newest}/index.html">
<title>parsl-on-dask</title>
<p>The documentation of parsl-on-dask:</p>
<ul>
{links}
</ul>
</html>
"""


def versions_in(site: Path) -> list[str]:
    """Names of the folders with a version, the newest first; releases come before what is to become one."""
    found = []
    for page in site.glob("*/index.html"):
        try:
            found.append((Version(page.parent.name), page.parent.name))
        except InvalidVersion:
            continue
    return [name for version, name in sorted(found, key=lambda v: (not v[0].is_prerelease, v[0]), reverse=True)]


def write(site: Path) -> None:
    """Write the list of versions and the page that leads to the newest one."""
    names = versions_in(site)
    listed = [
        {"version": name, "pages": sorted(p.relative_to(site / name).as_posix() for p in (site / name).rglob("*.html"))}
        for name in names
    ]
    (site / "versions.js").write_text(f"const PARSL_ON_DASK_VERSIONS = {json.dumps(listed)};\n")
    links = "\n".join(f'<li><a href="{name}/index.html">{name}</a></li>' for name in names)
    (site / "index.html").write_text(INDEX.format(newest=names[0], links=links))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
