"""Blocks as jobs of PBS Pro (OpenPBS) and Torque."""

from __future__ import annotations

import re
import shlex
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from parsl_on_dask.dask_internals.jobqueue import PBSJob, pbs_format_bytes_ceil
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.job_scripts.base import BlockJob, number

if TYPE_CHECKING:
    from parsl_on_dask.providers.pbspro.pbspro import PBSProProvider
    from parsl_on_dask.providers.torque.torque import TorqueProvider


class _QsubJob(BlockJob, PBSJob):
    """What PBS Pro and Torque have in common."""

    mark = "#PBS"
    nodes = 'sort -u "$PBS_NODEFILE"'
    provider: TorqueProvider

    def standard(self) -> list[Directive]:
        return [
            Directive("-S /bin/bash"),
            Directive(f"-N {self.job_name}"),
            Directive("-m n"),
            self.provider._limit(self.provider.written_walltime),
            Directive(f"-l {self.resources()}"),
            Directive(f"-o {self.output}"),
            Directive(f"-e {self.error}"),
        ]

    def of_site(self) -> list[Directive]:
        site, provider = self.site, self.provider
        found = [Directive(f"-q {site.queue}")] if provider.queue is None and site.queue else []
        return found + ([Directive(f"-A {site.account}")] if provider.account is None and site.account else [])

    def start_command(self, path: str) -> str:
        options = (("-q", self.provider.queue), ("-A", self.provider.account))
        words = [f"{option} {shlex.quote(value)}" for option, value in options if value is not None]
        return " ".join([self.submit_command, *words, shlex.quote(path)])

    def exports(self) -> dict[str, Any]:
        site = self.site
        cores = self.provider.node_slots
        if cores is None:
            return {}
        memory = {} if site.memory_gb is None else {"PARSL_MEMORY_GB": number(site.memory_gb)}
        return {**memory, "PARSL_CORES": max(1, cores // self.tasks_per_node)}

    @abstractmethod
    def resources(self) -> str:
        """What is asked for, after ``-l``."""

    def of_node(self) -> int | None:
        """Cores to ask for, when the site says them and nothing else does."""
        return None if self.site.resource_spec else self.site.cores


class PBSProBlockJob(_QsubJob):
    """One ``qsub`` job of PBS Pro."""

    provider: PBSProProvider

    def of_node(self) -> int | None:
        return None if self.provider.asked_by_arguments else super().of_node()

    def resources(self) -> str:
        provider, nodes = self.provider, self.provider.nodes_per_block
        spec = self.site.resource_spec
        if spec and not provider.asked_by_arguments:
            return spec if nodes == 1 else re.sub(r"\bselect=\d+", f"select={nodes}", spec)
        cores = self.of_node()
        if cores is not None:
            size = self.site.memory
            memory = "" if size is None else f":mem={pbs_format_bytes_ceil(size)}"
            return f"select={nodes}:ncpus={cores}{memory}"
        more = provider.select_options
        if provider.cpus_per_node is None:
            raise ConfigurationError(
                f"{type(provider).__name__}(cpus_per_node=None): a job needs a number of cores, and the site's "
                "settings have none. Write for example cpus_per_node=32."
            )
        return f"select={nodes}:ncpus={provider.cpus_per_node}{':' if more and not more.startswith(':') else ''}{more}"


class TorqueBlockJob(_QsubJob):
    """One ``qsub`` job of Torque."""

    def header(self) -> list[str]:
        site, raw = self.site, self.provider.scheduler_options.strip("\n")
        lines = [f"{self.mark} {d.text}" for d in self.of_site() if not d.skipped(site.skip)]
        lines += [raw] if raw else []
        lines += [f"{self.mark} {d.text}" for d in self.standard() if not d.skipped(site.skip)]
        return lines + [f"{self.mark} {text}" for text in site.directives]

    def resources(self) -> str:
        nodes, spec, cores = self.provider.nodes_per_block, self.site.resource_spec, self.of_node()
        if spec:
            return spec if nodes == 1 else re.sub(r"\bnodes=\d+", f"nodes={nodes}", spec)
        if cores is None:
            return f"nodes={nodes}:ppn={self.tasks_per_node}"
        size = self.site.memory  # Torque counts the memory of the whole job
        memory = "" if size is None else f",mem={pbs_format_bytes_ceil(size * nodes).lower()}"
        return f"nodes={nodes}:ppn={cores}{memory}"
