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
from typing import TYPE_CHECKING, Any, ClassVar

from parsl_on_dask.arguments import need, need_number, wrong_value
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.asking import AskingProvider, batches
from parsl_on_dask.providers.defaults import given
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException
from parsl_on_dask.providers.nodelists import expanded
from parsl_on_dask.providers.refusals import Refusal, refusal_of
from parsl_on_dask.providers.site import Site, check_settings, read_site
from parsl_on_dask.providers.walltimes import clock, seconds
from parsl_on_dask.utils import RepresentationMixin

if TYPE_CHECKING:
    from parsl_on_dask.clusters.batch.base import BlockJob

logger = logging.getLogger("parsl.providers.batch")


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
        self._unsure: dict[str, str] = {}

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
            self._site = read_site(self._system, self.config_name, self.jobqueue)
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
        """:attr:`walltime` in seconds; None for a job without an end."""
        return None if self.walltime is None else seconds(self.walltime, *self._walltime_units)

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
        return base + ".stdout", base + ".stderr"

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

    def _new_name(self, job_name: str) -> str:
        clean = re.sub(r"[^\w.+-]", "_", job_name)
        if self._prefix and not f"{clean}.".startswith(self._prefix):
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
        unsure = self._unsure.pop(job_name, None)  # it may have arrived all the same
        if unsure is not None and (found := self._adopt(unsure)) is not None:
            return self._submitted(found, unsure, time.monotonic())
        name = self._new_name(job_name)
        job = self._job(name, command, tasks_per_node)
        files = self._files(job, name)
        for path, text in files.items():
            _write(path, text)
        start = job.start_command(next(iter(files)))
        asked = time.monotonic()
        try:
            code, out, err = self.execute_wait(start)
        except subprocess.TimeoutExpired as error:
            job_id = self._adopt(name)
            if job_id is None:
                self._unsure[job_name] = name
                raise SubmitException(name, f"{start!r} took longer than cmd_timeout={self.cmd_timeout} s") from error
        else:
            if code != 0:
                refused = SubmitException(name, f"{start!r} failed: {err.strip() or out.strip()}", out, err, code)
                if refusal_of(refused) is Refusal.NO_ANSWER:
                    self._unsure[job_name] = name
                raise refused
            job_id = self._job_id(job, out)
            if job_id is None:
                raise SubmitException(name, f"there is no job id in what {start!r} wrote", out, err, code)
        return self._submitted(job_id, name, asked)

    def _submitted(self, job_id: str, name: str, asked: float) -> str:
        """Take note of a job."""
        stdout, stderr = self.output_paths(name)
        path = self._path(name) + self._suffix
        self.resources[job_id] = {
            "job_id": job_id,
            "job_name": name,
            "script_path": path,
            "job_stdout_path": stdout,
            "job_stderr_path": stderr,
            "exit_code_path": self.exit_code_path(name),
            "submitted": asked,
            "missed": 0,
            "status": JobStatus(JobState.PENDING, stdout_path=stdout, stderr_path=stderr),
        }
        logger.debug("Job %s runs %s", job_id, path)
        return job_id

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
