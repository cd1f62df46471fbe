"""Blocks as jobs of Grid Engine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dask_internals.jobqueue import SGEJob
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.job_scripts.base import BlockJob, number

if TYPE_CHECKING:
    from parsl_on_dask.providers.grid_engine.grid_engine import GridEngineProvider


class GridEngineBlockJob(BlockJob, SGEJob):
    """One ``qsub`` job."""

    mark = "#$"
    nodes = 'if [ -e "$PE_HOSTFILE" ]; then cut -d" " -f1 "$PE_HOSTFILE"; else hostname; fi'
    provider: GridEngineProvider

    def without(self, nodes: Sequence[str], lines: str) -> list[str]:
        if re.search(r"\b(h|host|hostname)=", lines):
            return []  # whoever names hosts knows which ones
        return [f"-l h=!({'|'.join(nodes)})"]

    def standard(self) -> list[Directive]:
        provider = self.provider
        name = [Directive(f"-N {self.job_name}")] if provider.by_jobqueue else []
        return [
            Directive("-S /bin/bash"),
            *name,
            Directive(f"-o {self.output}"),
            Directive("-j y" if provider.joins_output else f"-e {self.error}"),
            Directive("-cwd"),
            provider._limit(provider.written_walltime),
        ]

    def of_site(self) -> list[Directive]:
        site = self.site
        options = {
            "-q": site.queue if self.provider.queue is None else None,
            "-P": site.account,
            "-l": site.resource_spec,
        }
        return [Directive(f"{option} {value}") for option, value in options.items() if value]

    def exports(self) -> dict[str, Any]:
        site = self.site
        memory = {} if site.memory_gb is None else {"PARSL_MEMORY_GB": number(site.memory_gb)}
        cores = site.slots
        return memory if cores is None else {**memory, "PARSL_CORES": max(1, cores // self.tasks_per_node)}

    def start_command(self, path: str) -> str:
        queue = "" if self.provider.queue is None else f"-q {shlex.quote(self.provider.queue)} "
        return f"{self.submit_command} {queue}-terse {shlex.quote(path)}"

    def id_in(self, out: str) -> str | None:
        ids = (line.strip().partition(".")[0] for line in out.splitlines())  # of an array with its range behind a dot
        return next((job_id for job_id in ids if job_id.isdigit()), None)
