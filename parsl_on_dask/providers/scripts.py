"""Providers for batch systems as descriptions: their arguments, the site's settings, and the script of a job."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Protocol, TypeVar

from parsl_on_dask.channels.argument import takes_channel
from parsl_on_dask.channels.base import Channel
from parsl_on_dask.common.arguments import name_of, need, wrong_value
from parsl_on_dask.importing.lazily import by_name
from parsl_on_dask.launchers.base import Launcher
from parsl_on_dask.launchers.launchers import SingleNodeLauncher
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.providers.arrays import ArrayWay
from parsl_on_dask.providers.asking import AskingProvider
from parsl_on_dask.providers.cluster_provider import ClusterProvider
from parsl_on_dask.providers.defaults import given
from parsl_on_dask.providers.directives import Directive, limit_in
from parsl_on_dask.providers.shared_parameters import described
from parsl_on_dask.providers.site import Site, check_settings, read_site
from parsl_on_dask.providers.walltimes import clock, seconds
from parsl_on_dask.remote.nodes import expand
from parsl_on_dask.utils import RepresentationMixin

T = TypeVar("T")

#: The types that are checked, by the text of a field's annotation.
_CHECKED: dict[str, tuple[type, ...]] = {"bool": (bool,), "str": (str,), "str | None": (str, type(None))}
_JOINED = re.compile(r"-j\s*(y|yes|oe)\b")


class JobScript(Protocol):
    """The job of a block, as providers see it."""

    def text(self) -> str: ...
    def body(self) -> str: ...
    def become_array(self, way: ArrayWay, bodies: Sequence[str]) -> None: ...
    def start_command(self, path: str) -> str: ...
    def id_in(self, out: str) -> str | None: ...


class ScriptProvider(AskingProvider, RepresentationMixin):
    """Base of this package's providers for batch systems, each of which is a dataclass whose fields are its arguments.

    ``script`` shows what would be submitted.

    Attributes
    ----------
    site : Site
        What the site's ``jobqueue.yaml`` says.
    """

    #: dask-jobqueue's name of the system, which is the section of jobqueue.yaml
    _system: ClassVar[str]
    #: class of its jobs, and the module that has it below job_scripts
    _job_script: ClassVar[str]
    #: what the name of the script ends in, and what comes before ".stdout"
    _suffix: ClassVar[str] = ".submit"
    _prefix: ClassVar[str] = ""
    #: whether a job without a walltime runs for ever
    _ends_on_request: ClassVar[bool] = False
    #: forms of the system's own walltimes: seconds of the first of two numbers, and of one alone
    _walltime_units: ClassVar[tuple[int, int]] = (60, 60)
    #: whether what nobody wrote is dask-jobqueue's: jobs that ``jobqueue=`` asks for
    by_jobqueue: bool = False
    #: how the system has job arrays
    _arrays: ClassVar[ArrayWay | None] = None
    #: nodes that the next jobs are to keep away from
    left_out: tuple[str, ...] = ()
    #: what stands in front of a directive
    _mark: ClassVar[str] = "#"
    #: the provider's ``label``, and what starts workers where no launcher is given
    _kind: ClassVar[str]
    _launcher: ClassVar[type[Launcher]] = SingleNodeLauncher
    #: fields that may be numbers, and are text
    _names_of_things: ClassVar[tuple[str, ...]] = ("account", "project", "queue")

    scheduler_options: str
    worker_init: str
    cmd_timeout: float | None
    config_name: str | None = None
    jobqueue: Mapping[str, Any] | None = None
    channel: Channel | None = None
    move_files: bool | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = described(cls)

    def __post_init__(self) -> None:
        owner = type(self).__name__
        ClusterProvider.__init__(
            self,
            self._kind,
            self.nodes_per_block,
            self.init_blocks,
            self.min_blocks,
            self.max_blocks,
            self.parallelism,
            self._walltime,
            self._launcher() if self.launcher is None else self.launcher,
            self.cmd_timeout,
            channel=self.channel,
        )
        # what a file of settings leaves empty
        self.scheduler_options, self.worker_init = (
            "" if text is None else text for text in (self.scheduler_options, self.worker_init)
        )
        hint = "Write lines of text, with \\n between them."
        need(owner, "scheduler_options", self.scheduler_options, str, hint=hint)
        need(owner, "worker_init", self.worker_init, str, hint="Write shell text, for example 'module load python'.")
        for field in fields(self):  # type: ignore[arg-type]  # those that are made are dataclasses
            kinds = _CHECKED.get(str(field.type))
            if field.name in self._names_of_things:
                setattr(self, field.name, name_of(owner, field.name, getattr(self, field.name)))
            elif kinds is not None and field.name != "walltime":
                need(owner, field.name, getattr(self, field.name), *kinds)
        for line in self.scheduler_options.splitlines():
            if line.lstrip().startswith("-"):
                raise wrong_value(
                    owner,
                    "scheduler_options",
                    line,
                    f"a directive needs its mark. Write '{self._mark} {line.strip()}'.",
                )
        if self.jobqueue is not None:
            need(owner, "jobqueue", self.jobqueue, Mapping, hint="Write settings of jobqueue.yaml by name.")
            check_settings(owner, self._system, self.jobqueue)
        if self.move_files is not None:
            warn_once(f"{owner}.move_files", f"{owner}(move_files=) has no effect any more; leave it out.")
        self._prepare()

    def _prepare(self) -> None:
        self._site: Site | None = None
        self._asking = threading.Lock()
        self._naming = threading.Lock()
        self._names: set[str] = set()
        self._silent = False
        self._unsure: dict[str, Any] = {}  # names of jobs whose submission had no answer

    def __getstate__(self) -> dict[str, Any]:
        hidden = ("_site", "_asking", "_naming", "_names", "_silent", "_unsure", "left_out")
        # jobs belong to the process that submitted them
        return {**{k: v for k, v in self.__dict__.items() if k not in hidden}, "resources": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    @property
    def site(self) -> Site:
        """What the site's settings say; read when it is first asked for."""
        if self._site is None:
            self._site = read_site(self._system, self.config_name, self.jobqueue, self.by_jobqueue)
        return self._site

    @property
    def own_walltime(self) -> str | None:
        """The walltime that was given as an argument."""
        return self._walltime if given(self._walltime) else None

    @property
    def walltime(self) -> str | None:
        """How long a job may run, as ``HH:MM:SS``: the argument, else the site's, else Parsl's default."""
        if self._ends_on_request:
            return self.own_walltime
        if not given(self._walltime) and self._prepared and self.site.walltime is not None:
            end = seconds(self.site.walltime, *self._walltime_units)
            return None if end is None else clock(end)
        return self._walltime

    @walltime.setter
    def walltime(self, value: str | None) -> None:
        self._walltime = value

    @property
    def _prepared(self) -> bool:
        return "_asking" in self.__dict__

    @property
    def walltime_seconds(self) -> int | None:
        """How long a job may run, in seconds, by all that its script says; None where that has no end.

        Directives of the site and ``scheduler_options`` may say another time than :attr:`walltime`.
        """
        later = limit_in(self._system, self._later_options())
        if later is not None:
            return seconds(later, *self._walltime_units)
        if self.walltime is None or self._limit(self.written_walltime).skipped(self.site.skip):
            return None
        return seconds(self.walltime)

    @property
    def written_walltime(self) -> str:
        """The walltime as it stands in the script: the site's in the site's own words."""
        theirs = self.site.walltime
        return theirs if self.own_walltime is None and theirs is not None else str(self.walltime)

    def _limit(self, walltime: str) -> Directive:
        """The directive that says how long a job may run."""
        return Directive(f"-l walltime={walltime}")

    def _later_options(self) -> list[str]:
        """The directives in the script behind that one, without their marks."""
        return [*self.site.directives, *self._raw_options()]

    def _raw_options(self) -> list[str]:
        lines = self.scheduler_options.splitlines()
        return [line.removeprefix(self._mark).strip() for line in lines if line.startswith(self._mark)]

    @property
    def node_slots(self) -> int | None:
        """Cores of a node for workers, by the arguments or else by the site's settings; None when neither says them."""
        return self.cores_per_node or self.site.slots

    @property
    def status_polling_interval(self) -> int:
        """Seconds between two questions after the states of jobs: 60, as Parsl's providers have it."""
        return 60

    # -- scripts ---------------------------------------------------------------

    def _job(self, name: str, command: str, tasks_per_node: int) -> JobScript:
        """Describe a job to dask-jobqueue, which is imported for that."""
        job: JobScript = by_name(f"providers.job_scripts.{self._job_script}")(self, name, command, tasks_per_node)
        return job

    def _path(self, name: str) -> str:
        return os.path.join(os.path.abspath(self.script_dir or "."), name)

    def output_paths(self, name: str) -> tuple[str, str]:
        """Return the files for stdout and stderr of a job."""
        base = os.path.join(self.site.log_directory or os.path.dirname(self._path(name)), name + self._suffix)
        return base + ".stdout", base + (".stdout" if self.joins_output else ".stderr")

    @property
    def joins_output(self) -> bool:
        """Whether jobs write stderr to the file of stdout, as directives of PBS and Grid Engine may say."""
        return self._mark in ("#PBS", "#$") and any(
            _JOINED.match(text) for text in (*self.site.directives, *self._raw_options())
        )

    def exit_code_path(self, name: str) -> str:
        """Return the file that a job writes its exit code to."""
        return self._path(name) + ".ec"

    def nodes_path(self, name: str) -> str:
        """Return the file that a job writes the names of its nodes to."""
        return self._path(name) + ".nodes"

    def nodes_of(self, job_id: Any) -> list[str]:
        """Return the names of the nodes that a job has, or had; none where that is not known."""
        if job_id not in self.resources:
            return []
        try:
            with open(self.nodes_path(self.resources[job_id]["job_name"])) as file:
                # each once, from a list as Slurm writes it, or with spaces or lines between the names
                return list(dict.fromkeys(name for word in file.read().split() for name in expand(word)))
        except OSError:
            return []

    def _files(self, job: JobScript, name: str) -> dict[str, str]:
        """Name and text of each file of a job; the first is the one that is submitted."""
        return {self._path(name) + self._suffix: job.text()}

    def script(self, command: str = "true", tasks_per_node: int = 1, job_name: str = "parsl") -> str:
        """Return the text that :meth:`submit` would hand to the batch system; nothing is written or submitted.

        Parameters
        ----------
        command : str
            What runs on each node.
        tasks_per_node : int
            Copies of it on each node. Default 1.
        job_name : str
            The name as it stands; ``submit`` adds the time.
        """
        files = list(self._files(self._job(job_name, command, tasks_per_node), job_name).items())
        text = files[0][1]
        return text + "".join(f"\n# {os.path.basename(path)}\n{more}" for path, more in files[1:])

    def submission(self, path: str = "SCRIPT") -> str:
        """Return the command that hands the script at ``path`` to the batch system, with its options."""
        return self._job("parsl", "true", 1).start_command(path)

    def _new_name(self, job_name: str) -> str:
        if self.site.name:
            job_name = f"{self.site.name}.{job_name.removeprefix('parsl.')}"
        clean = re.sub(r"[^\w.+-]", "_", job_name)
        if self._prefix and not self.site.name and not f"{clean}.".startswith(self._prefix):
            clean = self._prefix + clean
        with self._naming:
            while (name := f"{clean}.{time.time()}") in self._names:
                time.sleep(1e-6)
            self._names.add(name)
        return name


def complete(cls: type[T], behind: Sequence[str] = ()) -> type[T]:
    """Complete the class of a provider, which is a dataclass already: its constructor takes a channel, as in Parsl.

    Parameters
    ----------
    cls : type
    behind : sequence of str, optional
        As of :func:`~parsl_on_dask.channels.argument.takes_channel`.
    """
    # the default of a field hides the property of the base class
    for field in fields(cls):  # type: ignore[arg-type]
        if isinstance(getattr(cls.__mro__[1], field.name, None), property):
            delattr(cls, field.name)
    return takes_channel(cls, behind)
