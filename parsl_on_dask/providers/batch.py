"""Submits and cancels the jobs of batch systems."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from parsl_on_dask.common.arguments import need_number
from parsl_on_dask.jobs.states import JobState, JobStatus
from parsl_on_dask.providers.arrays import INDEX, ArrayWay, indexed
from parsl_on_dask.providers.asking import batches
from parsl_on_dask.providers.errors import ScriptPathError, SubmitException
from parsl_on_dask.providers.refusals import Refusal, refusal_of
from parsl_on_dask.providers.scripts import JobScript, ScriptProvider

logger = logging.getLogger("parsl.providers.batch")


class Names(NamedTuple):
    """Names of a job, and of those that it stands for, if it is an array."""

    whole: str
    parts: tuple[str, ...]


class BatchProvider(ScriptProvider):
    """Base of this package's providers for batch systems.

    ``submit`` writes a script into ``script_dir`` and hands it to the batch system. ``status`` asks the batch system
    once for all jobs that have not ended; when that fails, the last known ones stand.
    """

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

    def _start(self, job: JobScript, job_name: str, names: Names) -> str:
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

    def _job_id(self, job: JobScript, out: str) -> str | None:
        """Find the job's id in what the submit command wrote."""
        return job.id_in(out)

    def _adopt(self, name: str) -> str | None:
        """Find the id of a job that was perhaps submitted by a command which did not return."""
        return None

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
