"""Levels for ``Config(usage_tracking=...)``. They are accepted as Parsl's are, and nothing is ever sent."""

from __future__ import annotations

DISABLED = 0
LEVEL_1 = 1
LEVEL_2 = 2
LEVEL_3 = 3
