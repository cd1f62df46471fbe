"""Blocks as jobs of LSF."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dask_internals.jobqueue import LSFJob, lsf_detect_units, lsf_format_bytes_ceil
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.job_scripts.base import BlockJob, number

if TYPE_CHECKING:
    from parsl_on_dask.providers.lsf.lsf import LSFProvider


class LSFBlockJob(BlockJob, LSFJob):
    """One ``bsub`` job."""

    mark = "#BSUB"
    nodes = 'echo "$LSB_HOSTS"'
    provider: LSFProvider
    # the words around it, since dask-jobqueue takes the first number it finds
    job_id_regexp = r"(?i)Job <(?P<job_id>\d+)> is submitted"

    def standard(self) -> list[Directive]:
        return [
            self.provider._limit(self.provider.written_walltime),
            Directive(f"-J {self.job_name}[1-{self.elements}]" if self.elements > 1 else f"-J {self.job_name}"),
            Directive(f"-o {self.output}"),
            Directive(f"-e {self.error}"),
        ]

    def of_site(self) -> list[Directive]:
        site, provider = self.site, self.provider
        found = []
        if not provider.queue and site.queue:
            found.append(Directive(f"-q {site.queue}"))
        if not provider.project and site.account:
            found.append(Directive(f"-P {site.account}", f'-P "{site.account}"'))
        memory = site.memory if site.job_memory is None else site.job_memory
        if memory is not None:
            units = site.others.get("lsf-units") or lsf_detect_units()
            found.append(Directive(f"-M {lsf_format_bytes_ceil(memory, lsf_units=units)}"))
        if provider.by_cores_of_site:
            cores = site.job_cores or site.cores or 1
            found += self.cores(cores * provider.nodes_per_block, cores)
        return found

    def of_provider(self) -> list[Directive]:
        provider = self.provider
        found = []
        if provider.project:
            found.append(Directive(f"-P {provider.project}", f'-P "{provider.project}"'))
        if provider.queue:
            found.append(Directive(f"-q {provider.queue}"))
        if not provider.request_by_nodes:
            found += self.cores(provider.cores_per_block or 1, provider.cores_per_node or 1)
        elif not provider.by_cores_of_site:
            found.append(Directive(f"-nnodes {provider.nodes_per_block}"))
        return found

    def without(self, nodes: Sequence[str], lines: str) -> list[str]:
        return [f'-R "select[{" && ".join(f"hname!={node}" for node in nodes)}]"']

    def cores(self, total: int, per_node: int) -> list[Directive]:
        if not self.provider.by_cores_of_site or total > per_node:
            return [Directive(f"-n {total}"), Directive(f'-R "span[ptile={per_node}]"')]
        # as dask-jobqueue writes it
        return [Directive(f"-n {total}"), *([Directive('-R "span[hosts=1]"')] if total > 1 else [])]

    def exports(self) -> dict[str, Any]:
        site = self.site
        memory = {} if site.memory_gb is None else {"PARSL_MEMORY_GB": number(site.memory_gb)}
        cores = site.slots if self.provider.by_cores_of_site else None
        return memory if cores is None else {**memory, "PARSL_CORES": max(1, cores // self.tasks_per_node)}

    def start_command(self, path: str) -> str:
        return f"{self.submit_command} {'< ' if self.provider.bsub_redirection else ''}{shlex.quote(path)}"
