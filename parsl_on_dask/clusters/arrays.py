"""Decides which blocks that are asked for at the same time are submitted together, as one job array."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, TypeVar

from parsl_on_dask.providers.arrays import MOST

logger = logging.getLogger("parsl.clusters.arrays")

T = TypeVar("T")


class Arrays:
    """Knows whether a provider's batch system takes job arrays.

    A system may have none, or a site refuse them, or only large ones. Then blocks are submitted one by one. An error
    that meets a single submission, too, says nothing about arrays.

    - `label`: of the executor, for the log.
    """

    def __init__(self, provider: Any, label: str) -> None:
        self.provider = provider
        self.label = label
        self.taken = True
        self.doubt: str | None = None

    def groups(self, blocks: Sequence[T]) -> list[list[T]]:
        """Divide blocks into those that are submitted together."""
        able = self.taken and self.doubt is None and getattr(self.provider, "array_way", None) is not None
        size = MOST if able else 1
        return [list(blocks[at : at + size]) for at in range(0, len(blocks), size)]

    def refused(self, error: Exception) -> None:
        """An array was not taken."""
        self.doubt = str(error)

    def single(self, done: bool) -> None:
        """A block has been submitted alone, or could not be."""
        if self.doubt is None:
            return
        if done:
            self.taken = False
            logger.warning(
                "Executor %s: blocks are submitted one by one from now on, since the batch system takes no job array: "
                "%s. job_arrays=False in the provider says so beforehand",
                self.label,
                self.doubt,
            )
        self.doubt = None
