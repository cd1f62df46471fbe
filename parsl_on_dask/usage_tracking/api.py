"""The interface by which parts of a configuration describe themselves."""

from __future__ import annotations

from typing import Any


class UsageInformation:
    """Base of parts that describe themselves; Parsl reports the description, this package reports nothing."""

    def get_usage_information(self) -> dict[str, Any]:
        """Return a description that can be written as JSON."""
        return {}
