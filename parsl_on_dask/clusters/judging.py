"""Judges which blocks have died young, so that submissions are slowed down and the blocks' nodes are suspected."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from parsl_on_dask.clusters.block import Block, describe_end
from parsl_on_dask.clusters.blockspec import job_seconds
from parsl_on_dask.clusters.parts import Jobs
from parsl_on_dask.jobs.error_handlers import YOUNG
from parsl_on_dask.jobs.states import JobState


class Judge:
    """Judges each block once: when it has lived long enough, or has ended."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs

    def look(self, blocks: Collection[Block]) -> None:
        """Tell the governor, and what knows bad nodes, which blocks have died young, and which have not."""
        jobs = self.jobs
        for block in blocks:
            if block.counted or block.job_id is None:
                continue
            lived = self._lived(block)
            if lived is None:
                continue
            block.counted = True
            nodes = jobs.provider.nodes_of(block.job_id) if hasattr(jobs.provider, "nodes_of") else []
            if lived:
                jobs.bad_nodes.lived(nodes)
                jobs.governor_learns(jobs.governor.lived)
            elif not block.given_back:
                why = describe_end(block.status).splitlines()[0]
                jobs.bad_nodes.died(nodes, why)
                jobs.governor_learns(partial(jobs.governor.died, block.trial, why))

    def _lived(self, block: Block) -> bool | None:
        """Whether a block has lived long enough; None when it may yet."""
        if not block.gone:
            return True if block.served() >= self.young() else None
        if block.given_back:
            return block.connected
        served = block.status.served or 0.0
        return block.connected and (served >= self.young() or block.status.state is JobState.TIMEOUT)

    def young(self) -> float:
        """Seconds for which a block has to have workers not to have died young."""
        limits = [job_seconds(self.jobs.provider), getattr(self.jobs.executor, "drain_period", None)]
        return min([YOUNG, *[limit / 2 for limit in limits if limit]])
