"""A block as a job of dask-jobqueue.

dask-jobqueue's job classes know each system's commands, script layout and site settings, but only jobs of one node
that run its own worker command. The classes here put a provider's directives in the place of theirs, and what the
provider's launcher makes of a command in the place of the worker command.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from parsl_on_dask.dask_internals.jobqueue import Job, job_id_in
from parsl_on_dask.launchers.base import launched
from parsl_on_dask.launchers.own_variables import for_launcher
from parsl_on_dask.providers.arrays import INDEX, ArrayWay, indexed
from parsl_on_dask.providers.directives import Directive
from parsl_on_dask.providers.job_scripts.preamble import noting, patience

if TYPE_CHECKING:
    from parsl_on_dask.providers.batch import BatchProvider
    from parsl_on_dask.providers.site import Site


class BlockJob(Job):
    """Base of the jobs that providers submit: mixed in before one of dask-jobqueue's job classes.

    - `name`: name of the job, and first part of the names of its files.
    - `command`: what runs on each node.
    - `tasks_per_node`: copies of it on each node.
    """

    #: what stands in front of a directive
    mark: ClassVar[str] = ""
    #: keyword arguments for dask-jobqueue's constructor, so that it asks for nothing that we write ourselves
    stock: ClassVar[dict[str, Any]] = {}
    shell: ClassVar[str] = "#!/bin/bash"
    #: how many jobs this stands for: more than one as an array
    elements: int = 1
    #: shell text that tells the names of the job's nodes
    nodes: ClassVar[str] = "hostname"

    def __init__(self, provider: BatchProvider, name: str, command: str, tasks_per_node: int) -> None:
        site: Site = provider.site
        stock: Any = super()
        self.provider = provider
        self.site = site
        self.block = name
        self.command = command
        self.tasks_per_node = tasks_per_node
        self.script_dir = os.path.abspath(provider.script_dir or ".")
        self.output = provider.output_paths(name)[0]
        self.error = self.output.removesuffix(".stdout") + ".stderr"
        with section_for(stock.default_config_name(), site) as config_name:
            stock.__init__(
                scheduler="",
                name=name,
                cores=site.cores or 1,
                memory=f"{site.memory or 2**30}B",
                processes=1,
                shebang=site.shebang or self.shell,
                config_name=config_name,
                **self.stock,
            )
        self.job_name = name
        self.job_header = "\n".join(self.header())
        text = launched(provider.launcher, command, tasks_per_node, provider.nodes_per_block, self.script_dir)
        self._job_script_prologue = self.before()
        self._command_template = text

    def body(self) -> str:
        """What comes behind the head of the script."""
        return "\n".join([*filter(None, self._job_script_prologue), str(self._command_template)])

    def become_array(self, way: ArrayWay, bodies: Sequence[str]) -> None:
        """Stand for several jobs, whose output files have their index in their names."""
        self.elements = len(bodies)
        self.output, self.error = (indexed(path) for path in (self.output, self.error))
        lines = self.header()
        if way.option:
            lines.append(f"{self.mark} {way.asks_for(self.elements)}")
        self.job_header = "\n".join(lines).replace(INDEX, way.path)
        self._job_script_prologue = []
        self._command_template = way.script(bodies)

    def header(self) -> list[str]:
        """All directives. Of those that occur twice the last counts, so what a user wrote comes last."""
        site, provider = self.site, self.provider
        lines = [f"{self.mark} {d.text}" for d in (*self.standard(), *self.of_site()) if not d.skipped(site.skip)]
        lines += [f"{self.mark} {text}" for text in site.directives]
        raw = provider.scheduler_options.strip("\n")
        lines += [raw] if raw else []
        lines += [f"{self.mark} {d.text}" for d in self.of_provider() if not d.skipped(site.skip)]
        if provider.left_out:
            lines += [f"{self.mark} {text}" for text in self.without(provider.left_out, "\n".join(lines))]
        return lines

    def standard(self) -> list[Directive]:
        """What every job has."""
        return []

    def of_site(self) -> list[Directive]:
        """What the site says where the provider does not."""
        return []

    def of_provider(self) -> list[Directive]:
        """What the provider's arguments say."""
        return []

    def without(self, nodes: Sequence[str], lines: str) -> list[str]:
        """Directives that keep the job away from nodes, where the system has such; ``lines`` are those it has."""
        return []

    def exports(self) -> dict[str, Any]:
        """Environment variables for the block: what each copy of the command may use of a node."""
        memory, cores = self.memory_gb(), self.node_cores()
        found: dict[str, Any] = {} if memory is None else {"PARSL_MEMORY_GB": number(memory)}
        return found if cores is None else {**found, "PARSL_CORES": max(1, cores // self.tasks_per_node)}

    def memory_gb(self) -> float | None:
        """Memory of a node, where it is known."""
        return self.site.memory_gb

    def node_cores(self) -> int | None:
        """Cores of a node, where they are known."""
        return self.provider.node_slots

    def for_launcher(self) -> dict[str, Any]:
        """Environment variables for the launcher alone."""
        return {}

    def before(self) -> list[str]:
        """Shell lines before the launcher's."""
        code = shlex.quote(self.provider.exit_code_path(self.job_name))
        keep = f"echo $? 2>/dev/null >{code}"
        where = shlex.quote(self.provider.nodes_path(self.job_name))
        return [
            # Several systems forget a job at its end; what is left is what it wrote itself. It may be run again.
            f"trap {shlex.quote(keep)} EXIT; rm -f {code}; {{ {self.nodes}; }} >{where} 2>/dev/null",
            *noting(self.command),
            *self.site.prologue,
            self.provider.worker_init.strip("\n"),
            *(f"export {name}={value}" for name, value in self.exports().items()),
            *patience(self.command),
            *(for_launcher(name, str(value)) for name, value in self.for_launcher().items()),
            f"export JOBNAME={shlex.quote(self.job_name)}",
        ]

    def text(self) -> str:
        """The script."""
        job: Any = self
        script: str = job.job_script()
        return script

    def id_in(self, out: str) -> str | None:
        """Find the job's id in what the submit command wrote."""
        return job_id_in(self, out)

    def start_command(self, path: str) -> str:
        """Shell text that submits the script at ``path``."""
        return f"{self.submit_command} {shlex.quote(path)}"


#: Section that dask-jobqueue's classes read, which is there only while they do.
SECTION = "parsl-on-dask"
_section = threading.Lock()


@contextmanager
def section_for(system: str, site: Site) -> Iterator[str]:
    """Let dask-jobqueue read a site's settings, all of them by today's names: it fails without one of them."""
    import dask.config

    from parsl_on_dask.providers.site import shipped

    old = {"env-extra", "job-extra", "header-skip", "extra"}
    settings = {key: None if key in old else value for key, value in {**shipped()[system], **site.settings}.items()}
    with _section, dask.config.set({f"jobqueue.{SECTION}": settings}):
        yield SECTION


def number(value: float) -> str:
    """Write a number without a fraction where it has none."""
    return f"{value:.10g}"
