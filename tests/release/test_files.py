"""Files of the project say the same."""

from __future__ import annotations

import re
from pathlib import Path

from parsl_on_dask.version import PACKAGE_VERSION

REPOSITORY = Path(__file__).parents[2]


def test_the_changelog_has_the_version() -> None:
    newest = re.findall(r"^## \[(.*?)\](?: - (\S+))?$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    released = [version for version, day in newest if re.fullmatch(r"\d{4}-\d\d-\d\d", day)]
    assert released[0] == PACKAGE_VERSION
    assert [version for version, day in newest if not day] in ([], ["Unreleased"])
