"""What batch systems say when they do not take a job, and what that means."""

from __future__ import annotations

import subprocess

import pytest

from parsl_on_dask.providers.errors import SubmitException
from parsl_on_dask.providers.refusals import Refusal, refusal_of

SAID = {
    Refusal.NO_ANSWER: [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Resource temporarily unavailable",
        "sbatch: error: slurm_receive_msg: Zero bytes were transmitted or received",
        "qsub: cannot connect to server pbs01 (errno=15010)",
        "Connection refused\nqsub: cannot connect to server pbs01",
        "LSF is down. Please wait ...",
        "Cannot connect to LSF. Please wait ...",
        "batch daemon not responding ... still trying",
        "error: commlib error: got select error (Connection refused)\nUnable to run job: unable to send message",
        "error: unable to contact qmaster using port 6444 on host",
        "ERROR: Can't find address of local schedd",
    ],
    Refusal.FULL: [
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates "
        "accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
        "accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "qsub: would exceed limit on number of jobs user can have in queue batch",
        "qsub: Maximum number of jobs already in queue for user",
        "qsub: would exceed queue generic's per-user limit of jobs in 'Q' state",
        "User <me> reached job limit. Pending job threshold reached. Retrying in 60 seconds...",
        "Unable to run job: job rejected: Only 10 jobs are allowed per user (current job count: 10)",
    ],
    Refusal.FINAL: [
        "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
        "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid "
        "partition name specified",
        "sbatch: error: Batch job submission failed: Invalid qos specification",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        "sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: Batch job submission failed: Job violates "
        "accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "sbatch: error: Batch job submission failed: Requested time limit is invalid (missing or exceeds some limit)",
        "qsub: Unknown queue",
        "qsub: Job exceeds queue resource limits",
        "nope: No such queue. Job not submitted.",
        'Unable to run job: Job was rejected because job requests unknown queue "nope".',
        "/bin/sh: 1: sbatch: command not found",
    ],
    Refusal.UNKNOWN: ["sbatch: error: nobody has seen this one", "the filter of the site says no"],
}


@pytest.mark.parametrize(("meant", "said"), [(kind, said) for kind, texts in SAID.items() for said in texts])
def test_what_it_means(meant: Refusal, said: str) -> None:
    path = "'sbatch /home/me/timeout/too many jobs/invalid account/run.submit' failed"
    assert refusal_of(SubmitException("block-0", f"{path}: {said}", "", said, 1)) is meant


def test_what_slurm_says_of_too_many_and_of_too_large_jobs() -> None:
    said = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
    error = SubmitException("block-0", said, "", said, 1)
    assert refusal_of(error, alive=True) is Refusal.FULL
    assert refusal_of(error, alive=False) is Refusal.FINAL


def test_commands_that_do_not_come_back() -> None:
    assert refusal_of(subprocess.TimeoutExpired("sbatch", 10)) is Refusal.NO_ANSWER
    late = SubmitException("block-0", "'sbatch x' took longer than cmd_timeout=10 s")
    assert refusal_of(late) is Refusal.NO_ANSWER
    assert refusal_of(ValueError("the provider of the user's own")) is Refusal.UNKNOWN
