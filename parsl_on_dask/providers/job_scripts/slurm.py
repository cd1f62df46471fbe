"""Blocks as jobs of Slurm."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dask_internals.jobqueue import SLURMJob, slurm_format_bytes_ceil
from parsl_on_dask.launchers.launchers import SimpleLauncher
from parsl_on_dask.launchers.own_variables import overlaps
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.job_scripts.base import BlockJob, number

if TYPE_CHECKING:
    from parsl_on_dask.providers.slurm.slurm import SlurmProvider


class SlurmBlockJob(BlockJob, SLURMJob):
    """One ``sbatch`` job."""

    mark = "#SBATCH"
    nodes = 'echo "$SLURM_JOB_NODELIST"'
    provider: SlurmProvider

    def standard(self) -> list[Directive]:
        provider = self.provider
        return [
            Directive(f"--job-name={self.job_name}", f"-J {self.job_name}"),
            Directive(f"--output={_pattern(self.output)}", "-o"),
            Directive(f"--error={_pattern(self.error)}", "-e"),
            Directive(f"--nodes={provider.nodes_per_block}", f"-N {provider.nodes_per_block}"),
            provider._limit(provider.written_walltime),
            Directive(f"--ntasks-per-node={self.tasks_per_node}", f"-n {self.tasks_per_node}"),
        ]

    def of_site(self) -> list[Directive]:
        provider, site = self.provider, self.site
        found = []
        if provider.partition is None and site.queue:
            found.append(Directive(f"--partition={site.queue}", f"-p {site.queue}"))
        if provider.account is None and site.account:
            found.append(Directive(f"--account={site.account}", f"-A {site.account}"))
        memory = site.job_memory
        if memory is None and site.memory is not None:
            memory = slurm_format_bytes_ceil(site.memory)
        if provider.mem_per_node is None and memory is not None:
            found.append(Directive(f"--mem={memory}"))
        if provider.cores_per_node is None and self.cpus_per_task() is not None:
            found.append(Directive(f"--cpus-per-task={self.cpus_per_task()}"))
        return found

    def of_provider(self) -> list[Directive]:
        provider = self.provider
        options = {
            "--partition": provider.partition,
            "--account": provider.account,
            "--qos": provider.qos,
            "--constraint": provider.constraint,
            "--clusters": provider.clusters,
            "--gpus-per-node": provider.gpus_per_node,
            "--gres": provider.gres,
        }
        theirs = {"--partition": f"-p {provider.partition}", "--account": f"-A {provider.account}"}
        found = [Directive("--exclusive")] if provider.exclusive else []
        found += [Directive(f"{name}={value}", theirs.get(name, "")) for name, value in options.items() if value]
        if provider.mem_per_node is not None:
            found.append(Directive(f"--mem={number(provider.mem_per_node)}g"))
        if provider.cores_per_node is not None:
            found.append(Directive(f"--cpus-per-task={self.cpus_per_task()}"))
        return found

    def without(self, nodes: Sequence[str], lines: str) -> list[str]:
        # of several only the last one counts
        theirs = re.findall(r"^#SBATCH\s+(?:--exclude[= ]|-x\s*)(\S+)", lines, re.MULTILINE)
        return [f"--exclude={','.join([*theirs, *nodes])}"]

    def cpus_per_task(self) -> int | None:
        cores = self.provider.cores_per_node or self.site.job_cores or self.site.cores
        return None if cores is None else max(1, cores // self.tasks_per_node)

    def exports(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        memory = self.provider.mem_per_node or self.site.memory_gb
        if memory is not None:
            found["PARSL_MEMORY_GB"] = number(memory)
        cores = self.provider.node_slots
        if cores is not None:
            found["PARSL_CORES"] = max(1, cores // self.tasks_per_node)
        return found

    def for_launcher(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        cpus = self.cpus_per_task()
        if cpus is not None and not isinstance(self.provider.launcher, SimpleLauncher):
            # since 22.05 srun takes no notice of the job's --cpus-per-task and would bind all workers to one CPU
            found["SRUN_CPUS_PER_TASK"] = cpus
        if overlaps(self.provider.launcher):
            # apps may start steps of their own: those would wait for ever for the CPUs of this one
            found["SLURM_OVERLAP"] = 1
        return found


def _pattern(path: str) -> str:
    """A path as sbatch's ``--output`` takes it, where ``%`` has a meaning."""
    path = path.replace("%", "%%")
    return f'"{path}"' if " " in path else path
