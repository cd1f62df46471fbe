"""The batch jobs that scripts themselves are in: asked for, asked after, and cancelled."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from parsl_on_dask.common import run_records
from parsl_on_dask.common.run_records import RunRecord

if TYPE_CHECKING:
    from parsl_on_dask.jobs.states import JobStatus
    from parsl_on_dask.providers.batch import BatchProvider

#: Variables that a job is to have as the command line had them, where batch systems do not take them along.
_TAKEN_ALONG = ("PYTHONPATH", "DASK_CONFIG", "XDG_STATE_HOME", "PARSL_ON_DASK_DIALECT")


def provider_of(record: RunRecord) -> BatchProvider:
    """What asks for the jobs of a run, by the settings of jobqueue.yaml.

    Raises ConfigurationError when the batch system is not known, or its settings cannot be used.
    """
    from parsl_on_dask.launchers.launchers import SimpleLauncher
    from parsl_on_dask.providers.jobqueue import provider_from_jobqueue

    provider = provider_from_jobqueue(record.system, record.config_name, launcher=SimpleLauncher())
    provider.script_dir = folder_of(record)
    return provider


def folder_of(record: RunRecord) -> str:
    """Where the job scripts of a run are, and what the jobs write before its script begins."""
    return record.log.removesuffix(".log") + ".job"


def submit(record: RunRecord, life: int) -> str:
    """Ask for the job in which the script begins for the so manieth time. Returns the job's id.

    Raises
    ------
    SubmitException, ScriptPathError
        When there will be no job.
    """
    from parsl_on_dask.front_door.keeper import keeper_command

    os.makedirs(folder_of(record), mode=0o700, exist_ok=True)
    path = run_records.path_of(record.name, record.folder)
    lines = [f"export {name}={shlex.quote(os.environ[name])}" for name in _TAKEN_ALONG if name in os.environ]
    lines += [f"cd {shlex.quote(record.cwd)}", shlex.join(keeper_command(path, str(life), module="job_keeper"))]
    provider = provider_of(record)
    job = provider.submit("\n".join(lines), 1, record.name)
    run_records.update(record.name, where=record.folder, limit=provider.walltime_seconds)
    return job


def cancel(record: RunRecord) -> None:
    """Cancel the job of a run, which ends with that."""
    if cancel_job(record, record.job):
        _gone(record, f"ended: its job {record.job} was cancelled")


def cancel_job(record: RunRecord, job: str) -> bool:
    """Cancel one of the jobs of a run. Returns whether it will be gone."""
    provider = provider_of(record)
    provider.watch(job, record.name)
    done = all(provider.cancel([job]))
    if not done:
        print(f"parsl_on_dask: {record.system} job {job} could not be cancelled", file=sys.stderr)
    return done


def refreshed(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Records, after the batch system was asked for the jobs of those that wait for theirs."""
    found = list(records)
    for place, record in enumerate(found):
        if run_records.state_of(record).word != "pending" or not record.job:
            continue
        with suppress(Exception):  # without an answer they go on waiting
            status = _status(record)
            if status is not None and status.terminal:
                # its keeper may have begun meanwhile
                record = run_records.again(record)
                if run_records.state_of(record).word == "pending":
                    record = _gone(
                        record, f"ended: its job {record.job} was {status.status_name.lower()} before it began"
                    )
        found[place] = record
    return found


def _status(record: RunRecord) -> JobStatus | None:
    provider = provider_of(record)
    provider.watch(record.job, record.name)
    [status] = provider.status([record.job])
    return status


def _gone(record: RunRecord, note: str) -> RunRecord:
    with suppress(run_records.UnknownRun):
        now = run_records.read(record.name, where=record.folder)
        if now is not None and now.ended is None:
            return run_records.update(record.name, where=record.folder, ended=time.time(), note=note)
    return record


def main(words: Sequence[str]) -> int:
    """Ask for the job of the run whose record is at a path, for a life of its script; prints the job's id.

    This is what a keeper does, which does not import all that is needed for it. With the id of a job behind that, the
    job is cancelled.
    """
    record = run_records.read_at(words[0])
    if record is None:
        return 2
    try:
        if len(words) > 2:
            return int(not cancel_job(record, words[2]))
        print(submit(record, int(words[1])))
    except Exception as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
