"""What the build adds to the metadata: the project's links, and README with links that work on a package index.

Both come from one line of ``pyproject.toml``, ``repository`` of the hook. The links of README lead to
the files of the release, by its tag.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: A link of Markdown, or a picture: what stands before its target, the target, and what follows.
_LINK = re.compile(r"(!?\[(?:[^\[\]]|!\[[^\[\]]*\]\([^()]*\))*\]\()([^()\s]+)(\))")
_PICTURE = re.compile(r"(!\[[^\[\]]*\]\()([^()\s]+)(\))")


def absolute(text: str, repository: str, version: str) -> str:
    """README with full addresses in the place of those that begin at the repository's root."""

    def replaced(kind: str) -> Any:
        base = f"{repository}/{kind}/v{version}/"
        return lambda found: found[1] + urljoin(base, found[2]) + found[3]

    return _LINK.sub(replaced("blob"), _PICTURE.sub(replaced("raw"), text))


class CustomMetadataHook(MetadataHookInterface):
    """Fills in what ``pyproject.toml`` calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = self.config["repository"]
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute(readme, repository, metadata["version"]),
        }
        metadata["urls"] = {
            "Documentation": f"{repository}/blob/v{metadata['version']}/docs/index.md",
            "Source": repository,
            "Changelog": f"{repository}/blob/v{metadata['version']}/CHANGELOG.md",
            "Issues": f"{repository}/issues",
            "Security": f"{repository}/security/policy",
        }
