"""dask-jobqueue is imported without what its import does to Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


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
