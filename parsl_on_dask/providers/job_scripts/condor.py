"""Blocks as jobs of HTCondor."""

from __future__ import annotations

import math
import os
import shlex
from typing import TYPE_CHECKING, Any, ClassVar

from dask.utils import parse_bytes

from parsl_on_dask.dask_internals.jobqueue import HTCondorJob, condor_template, quote_arguments, quote_environment
from parsl_on_dask.providers.job_scripts.base import BlockJob, number

if TYPE_CHECKING:
    from parsl_on_dask.providers.condor.condor import CondorProvider

#: Seconds that the state of a job that has ended can still be asked for. Parsl keeps it for ever.
KEPT = 3600


class CondorBlockJob(BlockJob, HTCondorJob):
    """One job of the vanilla universe: a submit description, and a script that is transferred with it."""

    provider: CondorProvider
    # it wants a size, and stops at names to skip which it does not have
    stock: ClassVar[dict[str, Any]] = {"disk": "1GB", "job_directives_skip": (), "job_extra_directives": {}}
    shell = "#!/usr/bin/env condor_submit"
    executable = "/bin/bash"

    def header(self) -> list[str]:
        provider, site = self.provider, self.site
        files = [provider.script_path(self.job_name), *provider.transfer_input_files]
        output, error, log = self.output, self.error, self.output.removesuffix(".stdout") + ".log"
        attributes: dict[str, Any] = {
            "universe": "vanilla",
            "should_transfer_files": "YES",
            "when_to_transfer_output": "ON_EXIT_OR_EVICT",
            "transfer_executable": "false",
            "transfer_input_files": ",".join(files),
            "machine_count": provider.nodes_per_block,
            "output": output,
            "error": error,
            "log": log,
            # what a block wrote before it was removed would be lost otherwise
            "stream_output": "true",
            "stream_error": "true",
            "leave_in_queue": f"JobStatus == 4 && time() - EnteredCurrentStatus < {KEPT}",
            "environment": f'"{quote_environment({**provider.environment, "JOBNAME": self.job_name})}"',
        }
        wanted = [f"({provider.requirements})"] if provider.requirements and provider.left_out else []
        wanted += [f"Machine != {_quoted(node)}" for node in provider.left_out]
        if wanted or provider.requirements:
            attributes["requirements"] = " && ".join(wanted) or provider.requirements
        if provider.project:
            attributes["+projectname"] = _quoted(provider.project)
        end = provider.walltime_seconds
        if end is not None:
            attributes["periodic_remove"] = f"JobStatus == 2 && time() - EnteredCurrentStatus > {end}"
        if self.memory() is not None:
            own = provider.mem_per_slot
            attributes["RequestMemory"] = (site.memory or 0) // 2**20 if own is None else math.ceil(own * 1024)
        if self.cores() is not None:
            attributes["RequestCpus"] = self.cores()
        if site.others.get("disk"):
            attributes["RequestDisk"] = parse_bytes(site.others["disk"]) // 1024
        lines = [f"{name} = {value}" for name, value in attributes.items()]
        lines = [line for line in lines if not any(text.lower() in line.lower() for text in site.skip)]
        lines += [f"{name} = {value}" for name, value in site.attributes.items()]
        raw = provider.scheduler_options.strip("\n")
        return [*lines, raw] if raw else lines

    def memory(self) -> float | None:
        own = self.provider.mem_per_slot
        return self.site.memory_gb if own is None else own

    def cores(self) -> int | None:
        return self.provider.cores_per_slot or self.site.cores

    def exports(self) -> dict[str, Any]:
        memory, cores = self.memory(), self.provider.node_slots
        found = {} if memory is None else {"PARSL_MEMORY_GB": number(memory)}
        return found if cores is None else {**found, "PARSL_CORES": cores}

    def before(self) -> list[str]:
        # the exit code and the machine come from HTCondor, and the name of the job with the environment
        return super().before()[1:-1]

    def text(self) -> str:
        script = os.path.basename(self.provider.script_path(self.job_name))
        return condor_template(self) % {
            "shebang": self.shebang,
            "job_header": self.job_header,
            "quoted_arguments": quote_arguments([script]),
            "executable": self.executable,
        }

    def start_command(self, path: str) -> str:
        extra = self.site.others.get("submit-command-extra") or ()
        return " ".join(["condor_submit", *map(shlex.quote, extra), shlex.quote(path)])


def _quoted(text: str) -> str:
    return text if text.startswith('"') else f'"{text}"'
