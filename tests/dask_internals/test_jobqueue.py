"""dask-jobqueue is imported without what its import does to Ctrl-C, and its private parts are as they were."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
import threading

import pytest

from parsl_on_dask.dask_internals import jobqueue
from parsl_on_dask.dask_internals.jobqueue import apply_specification, condor_template, job_id_in, slots_of_job
from parsl_on_dask.providers.site import shipped
from tests.helpers import WAIT


def run(program):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=100)


def test_the_handler_of_ctrl_c_stays():
    done = run(
        """
        import signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        import parsl_on_dask.dask_internals.jobqueue
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert signal.signal.__module__ == "signal"
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        """
    )
    assert done.returncode == 0, done.stderr


def test_any_thread_can_import_it():
    done = run(
        """
        import signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)
        problems = []
        def work():
            try:
                from parsl_on_dask.dask_internals.jobqueue import SLURMJob
            except BaseException as error:
                problems.append(error)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not problems, problems
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "program",
    [
        "import dask_jobqueue, signal; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler",
        """
        import threading
        def work():
            import dask_jobqueue
        threading.excepthook = lambda args: print(args.exc_value)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        import sys
        assert "dask_jobqueue.slurm" in sys.modules and "dask_jobqueue.htcondor" in sys.modules
        """,
    ],
    ids=["handler", "thread"],
)
def test_it_is_still_needed(program):
    """When this fails, dask-jobqueue has changed: the guard in dask_internals/jobqueue.py can go."""
    assert run(program).returncode != 0


def test_job_id_in():
    from parsl_on_dask.dask_internals.jobqueue import SLURMJob

    job = SLURMJob.__new__(SLURMJob)
    assert job_id_in(job, "Submitted batch job 8123") == "8123"
    assert job_id_in(job, "no more jobs today") is None


def test_condor_template():
    from parsl_on_dask.dask_internals.jobqueue import HTCondorJob

    places = {"shebang": "#!/bin/sh", "job_header": "Log = x", "quoted_arguments": '"a b"', "executable": "/bin/env"}
    text = condor_template(HTCondorJob.__new__(HTCondorJob)) % places
    assert all(value in text for value in places.values())


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A cluster object whose jobs are submitted to nobody."""
    from dask_jobqueue import SLURMCluster

    options = {"host": "127.0.0.1", "dashboard_address": ":0"}
    with SLURMCluster(cores=4, processes=2, memory="1GB", scheduler_options=options) as cluster:
        yield cluster


def test_slots_of_job(slurm):
    assert slots_of_job(slurm) == 4


def test_apply_specification(slurm, monkeypatch):
    ended = threading.Event()
    specified = dict(slurm.worker_spec)
    assert not specified

    async def correct() -> None:
        ended.set()

    monkeypatch.setattr(slurm, "_correct_state", correct)
    apply_specification(slurm)
    assert ended.wait(WAIT)
    monkeypatch.undo()
    assert (
        inspect.iscoroutinefunction(slurm._correct_state_internal)
        and not inspect.signature(slurm._correct_state).parameters
    )


@pytest.mark.parametrize(
    "name, commands, printed",
    [
        ("SLURMJob", "sbatch scancel", "Submitted batch job 17"),
        ("PBSJob", "qsub qdel", "17.server"),
        ("SGEJob", "qsub qdel", 'Your job 17 ("x") has been submitted'),
        ("LSFJob", "bsub bkill", "Job <17> is submitted to queue <normal>."),
        ("HTCondorJob", "condor_submit condor_rm", "1 job(s) submitted to cluster 17.\n17.0"),
        ("MoabJob", "msub canceljob", "17"),
        ("OARJob", "oarsub oardel", "OAR_JOB_ID=17"),
    ],
)
def test_a_class_for_each_batch_system(name, commands, printed):
    kind = getattr(jobqueue, name)
    assert issubclass(kind, jobqueue.Job)
    assert f"{kind.submit_command} {kind.cancel_command}" == commands
    assert str(job_id_in(kind.__new__(kind), printed)).startswith("17")
    assert kind.default_config_name() in shipped()


def test_sizes_and_quotes():
    assert jobqueue.slurm_format_bytes_ceil(10**9) == "954M"
    assert jobqueue.pbs_format_bytes_ceil(10**9) == "954MB"
    assert jobqueue.lsf_format_bytes_ceil(10**9, lsf_units="mb") == "1000"
    assert "lsf_units" in inspect.signature(jobqueue.lsf_format_bytes_ceil).parameters
    assert jobqueue.lsf_detect_units() == "kb"  # where no LSF says something else
    assert jobqueue.quote_arguments(["a b"]) == "'a b'"
    assert jobqueue.quote_environment({"A": "b c"}) == "A='b c'"
