"""How the providers for batch systems submit, ask after and cancel jobs; what they share beyond Parsl's interface."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from parsl_on_dask.common.arguments import need, need_number, wrong_value
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.arrays import INDEX, ArrayWay, indexed
from parsl_on_dask.providers.asking import AskingProvider, batches
from parsl_on_dask.providers.defaults import given
from parsl_on_dask.providers.directives import Directive, limit_in
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException
from parsl_on_dask.providers.nodelists import expanded
from parsl_on_dask.providers.refusals import Refusal, refusal_of
from parsl_on_dask.providers.site import Site, check_settings, read_site
from parsl_on_dask.providers.walltimes import clock, seconds
from parsl_on_dask.utils import RepresentationMixin

if TYPE_CHECKING:
    from parsl_on_dask.providers.job_scripts.base import BlockJob

logger = logging.getLogger("parsl.providers.batch")

_JOINED = re.compile(r"-j\s*(y|yes|oe)\b")


class Names(NamedTuple):
    """Names of a job, and of those that it stands for, if it is an array."""

    whole: str
    parts: tuple[str, ...]


class BatchProvider(AskingProvider, RepresentationMixin):
    """Base of this package's providers for batch systems.

    ``submit`` writes a script into ``script_dir`` and hands it to the batch system; ``script`` only shows it.
    ``status`` asks the batch system once for all jobs that have not ended; when that fails, the last known ones stand.

    Attributes
    ----------
    site : Site
        What the site's ``jobqueue.yaml`` says.
    """

    #: dask-jobqueue's name of the system, which is the section of jobqueue.yaml
    _system: ClassVar[str]
    #: what the name of the script ends in, and what comes before ".stdout"
    _suffix: ClassVar[str] = ".submit"
    _prefix: ClassVar[str] = ""
    #: forms of the system's own walltimes: seconds of the first of two numbers, and of one alone
    _walltime_units: ClassVar[tuple[int, int]] = (60, 60)
    #: whether what nobody wrote is dask-jobqueue's: jobs that ``jobqueue=`` asks for
    by_jobqueue: bool = False
    #: how the system has job arrays
    _arrays: ClassVar[ArrayWay | None] = None
    #: nodes that the next jobs are to keep away from
    left_out: tuple[str, ...] = ()
    scheduler_options: str
    worker_init: str
    config_name: str | None
    jobqueue: Mapping[str, Any] | None

    def _configure(
        self,
        scheduler_options: str | None,
        worker_init: str | None,
        config_name: str | None,
        jobqueue: Mapping[str, Any] | None,
    ) -> None:
        """Check and keep what all of them take; called at the end of each constructor."""
        owner = type(self).__name__
        # what a file of settings leaves empty
        scheduler_options, worker_init = ("" if text is None else text for text in (scheduler_options, worker_init))
        need(owner, "scheduler_options", scheduler_options, str, hint="Write lines of text, with \\n between them.")
        need(owner, "worker_init", worker_init, str, hint="Write shell text, for example 'module load python'.")
        need(owner, "config_name", config_name, str, type(None))
        for line in scheduler_options.splitlines():
            if line.lstrip().startswith("-"):
                raise wrong_value(
                    owner,
                    "scheduler_options",
                    line,
                    f"a directive needs its mark. Write '{self._mark} {line.strip()}'.",
                )
        if jobqueue is not None:
            need(owner, "jobqueue", jobqueue, Mapping, hint="Write settings of jobqueue.yaml by name.")
            check_settings(owner, self._system, jobqueue)
        self.scheduler_options = scheduler_options
        self.worker_init = worker_init
        self.config_name = config_name
        self.jobqueue = jobqueue
        self._prepare()

    _mark: ClassVar[str] = "#"

    def _prepare(self) -> None:
        self._site: Site | None = None
        self._asking = threading.Lock()
        self._naming = threading.Lock()
        self._names: set[str] = set()
        self._silent = False
        self._unsure: dict[str, Names] = {}

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

    @abstractmethod
    def _job(self, name: str, command: str, tasks_per_node: int) -> BlockJob:
        """Describe a job to dask-jobqueue."""

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
                return expanded(file.read())
        except OSError:
            return []

    def _files(self, job: BlockJob, name: str) -> dict[str, str]:
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

    # -- submitting --------------------------------------------------------------

    def submit(self, command: str, tasks_per_node: int, job_name: str = "parsl") -> str:
        """Submit a job that runs ``command`` on every node, as the launcher arranges it.

        Parameters
        ----------
        command : str
            Shell text that starts the workers of one node.
        tasks_per_node : int
            How many copies of it a node runs.
        job_name : str
            Name for people; the time is added, which makes it unique.

        Returns
        -------
        str
            The batch system's id of the job.

        Raises
        ------
        SubmitException
            When the batch system refuses the job, with its words, or does not answer within ``cmd_timeout``.
        ScriptPathError
            When the script cannot be written.
        """
        need_number(type(self).__name__, "tasks_per_node", tasks_per_node, at_least=1, example="1")
        unsure = self._perhaps_taken(job_name)
        if unsure is not None:
            job_id, (name, _) = unsure
        else:
            name = self._new_name(job_name)
            job_id = self._start(self._job(name, command, tasks_per_node), job_name, Names(name, ()))
        self._keep(job_id, name, self._path(name) + self._suffix, self.output_paths(name))
        return job_id

    def submit_array(
        self, commands: Sequence[str], tasks_per_node: int, job_names: Sequence[str], name: str
    ) -> list[str]:
        """Submit jobs that differ in their commands as one array.

        Parameters
        ----------
        commands : sequence of str
            What :meth:`submit` is given, for each; two at least.
        tasks_per_node : int
        job_names : sequence of str
            A name for each, which it has in ``JOBNAME``.
        name : str
            The name of all of them for the batch system.

        Returns
        -------
        list of str
            The id of each, by which it can be asked after and cancelled alone.

        Raises
        ------
        SubmitException
            When the batch system refuses the array, or does not answer within ``cmd_timeout``.
        ScriptPathError
            When the script cannot be written.
        """
        way = self.array_way
        assert way is not None and len(commands) > 1
        unsure = self._perhaps_taken(name)
        if unsure is not None and len(unsure[1].parts) == len(commands):
            array, names = unsure
        else:
            names = Names(self._new_name(name), tuple([self._new_name(one) for one in job_names]))
            jobs = [self._job(one, command, tasks_per_node) for one, command in zip(names.parts, commands, strict=True)]
            whole = self._job(names.whole, "true", tasks_per_node)
            whole.become_array(way, [job.body() for job in jobs])
            array = self._start(whole, name, names)
        script = self._path(names.whole) + self._suffix
        paths = [indexed(path) for path in self.output_paths(names.whole)]
        found = []
        for index, one in enumerate(names.parts, way.first):
            job_id = way.element(array, index)
            stdout, stderr = (path.replace(INDEX, str(index)) for path in paths)
            self._keep(job_id, one, script, (stdout, stderr))
            found.append(job_id)
        return found

    @property
    def array_way(self) -> ArrayWay | None:
        """How job arrays are asked for; None where there are none, or the user wants none."""
        return self._arrays if getattr(self, "job_arrays", True) else None

    def _perhaps_taken(self, job_name: str) -> tuple[str, Names] | None:
        """Id and names of a job whose submission had no answer, and that has arrived all the same."""
        names = self._unsure.pop(job_name, None)
        job_id = None if names is None else self._adopt(names.whole)
        return None if names is None or job_id is None else (job_id, names)

    def _start(self, job: BlockJob, job_name: str, names: Names) -> str:
        """Write the files of a job and submit the first of them; returns the batch system's id."""
        name, files = names.whole, self._files(job, names.whole)
        for path, text in files.items():
            _write(path, text)
        start = job.start_command(next(iter(files)))
        try:
            code, out, err = self.execute_wait(start)
        except subprocess.TimeoutExpired as error:
            job_id = self._adopt(name)
            if job_id is None:
                self._unsure[job_name] = names
                raise SubmitException(name, f"{start!r} took longer than cmd_timeout={self.cmd_timeout} s") from error
            return job_id
        if code != 0:
            refused = SubmitException(name, f"{start!r} failed: {err.strip() or out.strip()}", out, err, code)
            if refusal_of(refused) is Refusal.NO_ANSWER:
                self._unsure[job_name] = names
            raise refused
        job_id = self._job_id(job, out)
        if job_id is None:
            raise SubmitException(name, f"there is no job id in what {start!r} wrote", out, err, code)
        return job_id

    def _keep(self, job_id: str, name: str, path: str, output: tuple[str, str]) -> None:
        """Remember a job that was submitted by the script at ``path``."""
        stdout, stderr = output
        self.resources[job_id] = {
            "job_id": job_id,
            "job_name": name,
            "script_path": path,
            "job_stdout_path": stdout,
            "job_stderr_path": stderr,
            "exit_code_path": self.exit_code_path(name),
            "submitted": time.monotonic(),
            "missed": 0,
            "status": JobStatus(JobState.PENDING, stdout_path=stdout, stderr_path=stderr),
        }
        logger.debug("Job %s runs %s", job_id, path)

    def _job_id(self, job: BlockJob, out: str) -> str | None:
        """Find the job's id in what the submit command wrote."""
        return job.id_in(out)

    def _adopt(self, name: str) -> str | None:
        """Find the id of a job that was perhaps submitted by a command which did not return."""
        return None

    # -- cancelling --------------------------------------------------------------------

    @abstractmethod
    def _cancel_command(self, job_ids: Sequence[str]) -> str:
        """Shell text that cancels jobs."""

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """Cancel jobs by one command; they need not be jobs that this object has submitted.

        Returns
        -------
        list of bool
            For each whether it has ended, or will. :meth:`status` says when the batch system has ended it.
        """
        gone = {job_id for job_id in job_ids if self._ended(job_id)}
        for some in batches((job_id for job_id in job_ids if job_id not in gone), self._batch_size):
            for job_id in some:
                self.resources.get(job_id, {})["cancelled"] = True
            if self._cancelled(some):
                gone.update(some)
        left = [job_id for job_id in job_ids if job_id not in gone]
        if left:
            # One that has ended in the meantime fails the command for all.
            self._status()
            for job_id in left:
                if self._ended(job_id) or self._cancelled([job_id]):
                    gone.add(job_id)
                else:
                    self.resources.get(job_id, {})["cancelled"] = False
        return [job_id in gone for job_id in job_ids]

    def _ended(self, job_id: Any) -> bool:
        return job_id in self.resources and self.resources[job_id]["status"].terminal

    def _cancelled(self, job_ids: Sequence[str]) -> bool:
        command = self._cancel_command(job_ids)
        try:
            code, out, err = self.execute_wait(command)
        except Exception as error:
            logger.warning("%r failed: %s", command, error)
            return False
        if code != 0:
            logger.warning("%r failed with exit code %s: %s", command, code, err.strip() or out.strip())
        return code == 0


def _write(path: str, text: str) -> None:
    try:
        # what worker_init holds may be nobody else's business
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
        with open(descriptor, "w") as file:
            file.write(text if text.endswith("\n") else text + "\n")
    except OSError as error:
        raise ScriptPathError(path, error) from error
