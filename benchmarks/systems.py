"""The systems behind one small interface, so that a workload is written once.

This module is imported by the measured process, which may be an environment that has only Parsl: nothing but the
standard library is imported before ``start()``, since imports are part of what is measured.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

KINDS = ("processes", "threads", "slurm")
WORKERS = 2
JOB_BEGAN = "job-began-"
"""What the name of a file begins with that a job of Slurm makes first, with the time in it; its id follows."""
MODULES = {"ours": "parsl_on_dask", "parsl": "parsl", "dask": "distributed", "ray": "ray", "executorlib": "executorlib"}


class System(Protocol):
    """What a workload may do with a system."""

    module: str

    def names(self) -> list[tuple[str, str]]:
        """Modules and the names that a user's script takes from them."""

    def start(self) -> None:
        """Import the system and bring it up, as a user's script does."""

    def start_recording(self, directory: str) -> None:
        """Start like `start`; results are recorded as calls end, in runs below `directory`, and found by later ones."""

    def start_monitored(self, directory: str, interval: float = 30.0) -> None:
        """Start like `start`; tasks are recorded in a database in `directory`, with samples at an interval."""

    def app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Give the callable that submits `fn` and returns a future; futures are accepted as its arguments."""

    def cached_app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        """Give the callable like `app` whose results are recorded and found."""

    def submit(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Submit one call of `fn`."""

    def result(self, future: Any) -> Any:
        """Wait for one value and bring it to the client."""

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """Bring many values to the client, in the way which that system's users are told to."""

    def wait(self, futures: Sequence[Any]) -> None:
        """Wait for many calls, without asking for their values."""

    def scheduler_port(self) -> int | None:
        """Say where Dask's scheduler listens; None when there is none, or in this process."""

    def stop(self) -> None:
        """End everything that `start` began."""


class StandardFutures:
    """What is the same for every system whose futures are those of the standard library."""

    def result(self, future: Any) -> Any:
        return future.result()

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        return [future.result() for future in futures]

    def wait(self, futures: Sequence[Any]) -> None:
        import concurrent.futures

        concurrent.futures.wait(futures)


class ParslSystem(StandardFutures):
    """Parsl, or something that is used like it: the same lines run on both."""

    def __init__(self, module: str, kind: str, log: bool) -> None:
        self.module = module
        self.kind = kind
        self.log = log
        self._parsl: Any = None
        self._apps: dict[Callable[..., Any], Callable[..., Any]] = {}

    def names(self) -> list[tuple[str, str]]:
        return [
            (self.module, "python_app"),
            (self.module, "bash_app"),
            (self.module, "load"),
            (f"{self.module}.config", "Config"),
            (f"{self.module}.executors", "ThreadPoolExecutor" if self.kind == "threads" else "HighThroughputExecutor"),
            (f"{self.module}.providers", "SlurmProvider" if self.kind == "slurm" else "LocalProvider"),
        ]

    def start(self) -> None:
        self._load({})

    def start_recording(self, directory: str) -> None:
        memoization = importlib.import_module(f"{self.module}.dataflow.memoization")
        self._load({"run_dir": directory, "memoizer": memoization.BasicMemoizer(checkpoint_mode="task_exit")})

    def start_monitored(self, directory: str, interval: float = 30.0) -> None:
        monitoring = importlib.import_module(f"{self.module}.monitoring")
        self._apps = {}
        self._load(
            {"run_dir": directory, "monitoring": monitoring.MonitoringHub(resource_monitoring_interval=interval)}
        )

    def _load(self, arguments: dict[str, Any]) -> None:
        self._parsl = importlib.import_module(self.module)
        executors = importlib.import_module(f"{self.module}.executors")
        executor: Any
        if self.kind == "threads":
            executor = executors.ThreadPoolExecutor(label="bench", max_threads=WORKERS)
        else:
            providers = importlib.import_module(f"{self.module}.providers")
            if self.kind == "slurm":
                provider = providers.SlurmProvider(
                    init_blocks=WORKERS, max_blocks=WORKERS, cores_per_node=1, exclusive=False, worker_init=_job_init()
                )
            else:
                provider = providers.LocalProvider(init_blocks=1, max_blocks=1)
            executor = executors.HighThroughputExecutor(
                label="bench",
                address="127.0.0.1",
                max_workers_per_node=1 if self.kind == "slurm" else WORKERS,
                provider=provider,
            )
        config = importlib.import_module(f"{self.module}.config")
        self._parsl.load(config.Config(executors=[executor], initialize_logging=self.log, **arguments))

    def app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if fn not in self._apps:
            self._apps[fn] = self._parsl.python_app(fn)
        return self._apps[fn]

    def cached_app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        app: Callable[..., Any] = self._parsl.python_app(fn, cache=True)
        return app

    def submit(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self.app(fn)(*args)

    def scheduler_port(self) -> int | None:
        lane = getattr(self._parsl.dfk().executors["bench"], "lane", None)
        return _port(getattr(lane, "client", None))

    def stop(self) -> None:
        if self._parsl is not None:
            self._parsl.dfk().cleanup()
            self._parsl.clear()


class DaskSystem:
    """Bare Dask: one ``client.submit`` a call, on the cluster that Dask itself starts on one machine."""

    module = MODULES["dask"]

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._client: Any = None
        self._cluster: Any = None
        self._wait: Any = None

    def names(self) -> list[tuple[str, str]]:
        return [(self.module, "Client")]

    def start(self) -> None:
        distributed = importlib.import_module("distributed")
        self._wait = distributed.wait
        if self.kind == "slurm":
            jobqueue = importlib.import_module("dask_jobqueue")
            self._cluster = jobqueue.SLURMCluster(
                cores=1,
                processes=1,
                memory="900MB",
                walltime="00:10:00",
                interface="lo",
                job_script_prologue=[_job_init()],
                scheduler_options={"dashboard_address": "127.0.0.1:0"},
            )
            self._cluster.scale(jobs=WORKERS)
            self._client = distributed.Client(self._cluster)
            return
        # The dashboard stays on, as by default, but on a port that is free.
        if self.kind == "threads":
            self._client = distributed.Client(
                processes=False, n_workers=1, threads_per_worker=WORKERS, dashboard_address="127.0.0.1:0"
            )
            return
        if os.name == "nt":
            self._cluster = distributed.LocalCluster(
                n_workers=WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            )
        else:
            deploy = importlib.import_module("distributed.deploy.subprocess")
            self._cluster = deploy.SubprocessCluster(
                n_workers=WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0"
            )
        self._client = distributed.Client(self._cluster)

    def start_recording(self, directory: str) -> None:
        raise TypeError("bare Dask records no results")

    def start_monitored(self, directory: str, interval: float = 30.0) -> None:
        raise TypeError("bare Dask records no tasks")

    def app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        submit = self._client.submit
        # Every call of an app runs; Dask would otherwise merge equal calls (and pay for hashing the arguments).
        return lambda *args: submit(fn, *args, pure=False)

    def cached_app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        raise TypeError("bare Dask records no results")

    def submit(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self._client.submit(fn, *args, pure=False)

    def result(self, future: Any) -> Any:
        return future.result()

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        values: list[Any] = self._client.gather(futures)
        return values

    def wait(self, futures: Sequence[Any]) -> None:
        self._wait(futures)

    def scheduler_port(self) -> int | None:
        return _port(self._client)

    def stop(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class OtherSystem:
    """A system that is only drawn beside the others: it runs calls of one loop on processes."""

    module = ""

    def names(self) -> list[tuple[str, str]]:
        raise self._refusal()

    def start_recording(self, directory: str) -> None:
        raise self._refusal()

    def start_monitored(self, directory: str, interval: float = 30.0) -> None:
        raise self._refusal()

    def cached_app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        raise self._refusal()

    def scheduler_port(self) -> int | None:
        return None

    def _refusal(self) -> TypeError:
        return TypeError(f"{self.module} runs calls of one loop here, and nothing else")


class RaySystem(OtherSystem):
    """Ray on this machine, with as many CPUs as the others have workers."""

    module = MODULES["ray"]

    def start(self) -> None:
        self._ray: Any = importlib.import_module("ray")
        self._apps: dict[Callable[..., Any], Any] = {}
        # sockets have short paths, and directories of measurements have not
        self._directory = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
        self._ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, _temp_dir=self._directory)

    def app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if fn not in self._apps:
            self._apps[fn] = self._ray.remote(fn)
        submit: Callable[..., Any] = self._apps[fn].remote
        return submit

    def submit(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self.app(fn)(*args)

    def result(self, future: Any) -> Any:
        return self._ray.get(future)

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        values: list[Any] = self._ray.get(list(futures))
        return values

    def wait(self, futures: Sequence[Any]) -> None:
        self._ray.wait(list(futures), num_returns=len(futures))

    def stop(self) -> None:
        self._ray.shutdown()
        shutil.rmtree(self._directory, ignore_errors=True)


class ExecutorlibSystem(StandardFutures, OtherSystem):
    """executorlib on this machine, with workers that stay."""

    module = MODULES["executorlib"]

    def start(self) -> None:
        executorlib = importlib.import_module("executorlib")
        self._executor: Any = executorlib.SingleNodeExecutor(max_workers=WORKERS, block_allocation=True)

    def app(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        submit = self._executor.submit
        return lambda *args: submit(fn, *args)

    def submit(self, fn: Callable[..., Any], *args: Any) -> Any:
        return self._executor.submit(fn, *args)

    def stop(self) -> None:
        self._executor.shutdown()


def _job_init() -> str:
    """Shell text at the head of a job. Parsl finds its own programs by PATH."""
    here = os.getcwd()
    return f"date +%s.%N > {here}/{JOB_BEGAN}$SLURM_JOB_ID\nexport PATH={os.path.dirname(sys.executable)}:$PATH"


def _port(client: Any) -> int | None:
    """Give the port of a Dask client's scheduler, when it is reached by one."""
    scheme, _, place = str(getattr(getattr(client, "scheduler", None), "address", "")).partition("://")
    port = place.rpartition(":")[2]
    return int(port) if scheme in ("tcp", "tls") and port.isdecimal() else None


OTHERS: Mapping[str, type[RaySystem | ExecutorlibSystem]] = {"ray": RaySystem, "executorlib": ExecutorlibSystem}
"""Those that are drawn, and have no column in the table."""


def make(name: str, kind: str, log: bool = False) -> System:
    """Make the system called `name` (one of `MODULES`) on `kind` (one of KINDS); nothing starts.

    `log` leaves ``parsl.log`` on. It is on by default in Parsl, where it costs most of the time of a short call, so
    that a comparison with it would flatter whoever writes less.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of workers {kind!r}: give one of {', '.join(KINDS)}")
    if name == "dask":
        return DaskSystem(kind)
    if name in OTHERS and kind == "processes":
        return OTHERS[name]()
    if name in ("ours", "parsl"):
        return ParslSystem(MODULES[name], kind, log)
    raise ValueError(f"unknown system {name!r}: give one of {', '.join(MODULES)}")


def where_am_i(seconds: float) -> tuple[int, int]:
    """Stay a while and say which worker this is."""
    import os
    import threading
    import time

    time.sleep(seconds)
    return os.getpid(), threading.get_ident()


def warm_up(system: System, limit: float = 60.0) -> int:
    """Run short calls until every worker has answered, and say how many did within `limit` seconds."""
    deadline = time.monotonic() + limit
    seen: set[tuple[int, int]] = set()
    while len(seen) < WORKERS and time.monotonic() < deadline:
        calls = [system.submit(where_am_i, 0.02 + i / 10_000) for i in range(2 * WORKERS)]
        seen.update(tuple(place) for place in system.gather(calls))
    return len(seen)
