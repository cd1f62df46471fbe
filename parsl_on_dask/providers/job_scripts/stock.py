"""Blocks as dask-jobqueue's jobs are, for systems that Parsl has no provider for."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dask_internals.jobqueue import MoabJob, OARJob
from parsl_on_dask.providers.job_scripts.base import BlockJob, number

if TYPE_CHECKING:
    from parsl_on_dask.providers.jobqueue import JobQueueProvider


class StockJob(BlockJob):
    """Keeps the head of the script that dask-jobqueue makes of the site's settings."""

    provider: JobQueueProvider

    def header(self) -> list[str]:
        """dask-jobqueue's directives, the block's files, and what a user wrote."""
        job: Any = self
        own = [line for line in str(job.job_header).splitlines() if line]
        raw = self.provider.scheduler_options.strip("\n")
        return [self.renamed(line) for line in own] + [*self.files(), *([raw] if raw else [])]

    def renamed(self, line: str) -> str:
        """A line of theirs with the job's own name in the place of the name of all of dask-jobqueue's jobs."""
        for option in ("-n", "-N"):
            if line.startswith(f"{self.mark} {option} "):
                return f"{self.mark} {option} {self.block}"
        return line

    def files(self) -> list[str]:
        """Directives for stdout and stderr."""
        return [f"{self.mark} -o {self.output}", f"{self.mark} -e {self.error}"]

    def exports(self) -> dict[str, Any]:
        site = self.site
        found: dict[str, Any] = {}
        if site.memory_gb is not None:
            found["PARSL_MEMORY_GB"] = number(site.memory_gb)
        if site.slots is not None:
            found["PARSL_CORES"] = max(1, site.slots // self.tasks_per_node)
        return found


class MoabBlockJob(StockJob, MoabJob):
    """One ``msub`` job."""

    mark = "#PBS"

    def id_in(self, out: str) -> str | None:
        # some name the system in front of the number
        return next((line.strip() for line in reversed(out.splitlines()) if line.strip()), None)


class OARBlockJob(StockJob, OARJob):
    """One ``oarsub`` job."""

    mark = "#OAR"

    def files(self) -> list[str]:
        return [f"#OAR -O {self.output}", f"#OAR -E {self.error}"]

    def start_command(self, path: str) -> str:
        # -S: take the directives from the script, which stays where the nodes find it; its argument is a command
        return f"oarsub -S {shlex.quote(shlex.quote(path))}"
