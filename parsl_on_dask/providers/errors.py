"""What goes wrong in providers. Where names and attributes come from: Parsl's ``parsl.providers.errors``.

::

    ExecutionProviderException      (a ParslError)
    ├── BadLauncher                 (in parsl_on_dask.launchers.errors)
    ├── ScaleOutFailed
    ├── SchedulerMissingArgs
    ├── ScriptPathError
    └── SubmitException
"""

from __future__ import annotations

import os
from typing import Any

from parsl_on_dask.errors import ParslError
from parsl_on_dask.old_spellings.legacy import MISSING, renamed, warn_once


class ExecutionProviderException(ParslError):
    """Common base of the errors that providers raise."""


class ScaleOutFailed(ExecutionProviderException):
    """A provider could not give another block."""

    def __init__(self, provider: Any, reason: Any) -> None:
        super().__init__(provider, reason)
        self.provider = provider
        self.reason = reason

    def __str__(self) -> str:
        return f"Unable to scale out {self.provider} provider: {self.reason}"


class SchedulerMissingArgs(ExecutionProviderException):
    """A submit script needs values that were not given."""

    def __init__(self, missing_keywords: Any, sitename: Any) -> None:
        super().__init__(missing_keywords, sitename)
        self.missing_keywords = missing_keywords
        self.sitename = sitename

    def __str__(self) -> str:
        return f"The submit script of {self.sitename} needs values for {self.missing_keywords}"


class ScriptPathError(ExecutionProviderException):
    """A submit script could not be written."""

    def __init__(self, script_path: str | os.PathLike[str], reason: Any) -> None:
        super().__init__(script_path, reason)
        self.script_path = script_path
        self.reason = reason

    def __str__(self) -> str:
        return f"Unable to write submit script {self.script_path}: {self.reason}"


class SubmitException(ExecutionProviderException):
    """A job could not be submitted.

    Parameters
    ----------
    job_name : str
    message : str
        What happened.
    stdout, stderr : str, optional
        What the submit command wrote.
    retcode : int, optional
        Its exit code.
    task_name : str, optional
        What ``job_name`` was called until 2024.

    Examples
    --------
    >>> print(SubmitException("block-0", "sbatch refused it", stderr="no such queue", retcode=1))
    Cannot launch job block-0: sbatch refused it; exit code 1, stdout None, stderr 'no such queue'
    """

    def __init__(
        self,
        job_name: str = MISSING,
        message: str = MISSING,
        stdout: str | None = None,
        stderr: str | None = None,
        retcode: int | None = None,
        *,
        task_name: str = MISSING,
    ) -> None:
        job_name = renamed("SubmitException", "task_name", "job_name", task_name, job_name)
        if message is MISSING:
            raise TypeError("SubmitException(): message is missing.")
        super().__init__(job_name, message, stdout, stderr, retcode)
        self.job_name = job_name
        self.message = message
        self.stdout = stdout
        self.stderr = stderr
        self.retcode = retcode

    @property
    def task_name(self) -> str:
        """Old name of ``job_name``."""
        warn_once("SubmitException.task_name", "SubmitException.task_name is now job_name.")
        return self.job_name

    def __str__(self) -> str:
        parts = [f"Cannot launch job {self.job_name}: {self.message}; exit code {self.retcode}"]
        for name, text in (("stdout", self.stdout), ("stderr", self.stderr)):
            if text is None or not text.strip() or text.strip() not in self.message:
                parts.append(f"{name} {text!r}")
        return ", ".join(parts)
