"""A program that loads and clears many kernels does not grow."""

from __future__ import annotations

import gc
from pathlib import Path

from distributed import Scheduler, core

import parsl_on_dask as parsl
from parsl_on_dask import python_app
from parsl_on_dask.executors import ThreadPoolExecutor
from tests.helpers import WAIT


def schedulers() -> int:
    gc.collect()
    return sum(isinstance(o, Scheduler) for o in gc.get_objects())


def test_schedulers_of_threads_are_gone(tmp_path: Path) -> None:
    before = schedulers()
    for _ in range(3):
        with parsl.load(parsl.Config(executors=[ThreadPoolExecutor(max_threads=1)], run_dir=str(tmp_path))):
            assert python_app(abs)(-1).result(WAIT) == 1
    assert schedulers() <= before


def test_dask_remembers_handlers() -> None:
    class Server:
        def handler(self, comm: object) -> None:
            pass

    server = Server()
    core._expects_comm(server.handler)
    del server
    gc.collect()
    kept = [o for o in gc.get_objects() if type(o) is Server]
    core._expects_comm.cache_clear()
    assert kept, "then dask_internals.functions.forget_handlers() is not needed any more"
