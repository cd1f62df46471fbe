"""Modules that Parsl has and this package has no file for: each can be imported, and says what to use instead.

They hold parts of Parsl's machinery. A name that can work is here; any other one that Parsl's module has is a
:class:`~parsl_on_dask.errors.ConfigurationError`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NamedTuple

_PACKAGE = __name__.partition(".")[0]


class Gone(NamedTuple):
    """What was in a module.

    Attributes
    ----------
    names : str
        The names that have no meaning here, with blanks between them.
    instead : str
        What to use instead of them.
    there : mapping of str to str
        The names that work, and where they are: ``"module:name"`` relative to this package.
    """

    names: str = ""
    instead: str = ""
    there: Mapping[str, str] = {}


_FLUX = (
    "Tasks are given out by Dask. Write HighThroughputExecutor with the provider of the batch system; inside a Flux "
    "allocation start a Dask cluster, and write DaskExecutor(scheduler_file=...)."
)
_RADIOS = "Apps report over Dask's connections. Leave it out; Config(monitoring=MonitoringHub()) is all that is needed."
_CLOUD = "Machines and pods are set up by dask-cloudprovider and dask-kubernetes. Write worker_init= of the provider."

#: By module, relative to this package.
GONE: Mapping[str, Gone] = {
    "executors.flux.execute_parsl_task": Gone("main", _FLUX),
    "executors.flux.flux_instance_manager": Gone("main", _FLUX),
    "executors.high_throughput.zmq_pipes": Gone(
        "CommandClient ResultsIncoming TasksOutgoing",
        "Calls and results travel over Dask's connections. Use the methods of the executor.",
    ),
    "executors.workqueue.exec_parsl_function": Gone(
        "dump_result_to_file encode_byte_code_function encode_function encode_source_code_function execute_function "
        "load_function load_pickled_file remap_all_files remap_list_of_files remap_location unpack_byte_code_function "
        "unpack_function unpack_source_code_function",
        "The workers are Dask's. To pack a call and run it, write pack_apply_message of parsl.serialize and "
        "execute_task of parsl.executors.execute_task.",
    ),
    "jobs.strategy": Gone(
        "ExecutorState Strategy",
        "Each executor's cluster looks after its own blocks. Give Config strategy= and max_idletime=, and scale with "
        "executor.scale_out_facade(n).",
    ),
    "monitoring.radios.filesystem_router": Gone(
        "FilesystemRadioReceiver POLL_PERIOD_S filesystem_router_starter", _RADIOS
    ),
    "monitoring.radios.zmq_router": Gone(
        "MonitoringRouter ZMQRadioReceiver start_zmq_receiver zmq_router_starter", _RADIOS
    ),
    "monitoring.remote": Gone(
        "monitor monitor_wrapper send_first_last_message send_first_message send_last_message", _RADIOS
    ),
    "usage_tracking.usage": Gone(
        "PROTOCOL_VERSION UsageTracker async_process udp_messenger",
        "Nothing is ever sent to anybody, and Config(usage_tracking=) is accepted. The levels are in "
        "parsl.usage_tracking.levels.",
    ),
    **{f"providers.{cloud}.template": Gone("template_string", _CLOUD) for cloud in ("aws", "azure", "kubernetes")},
    **{
        f"providers.{system}.template": Gone(there={"template_string": f"providers.templates:{system.upper()}"})
        for system in ("condor", "grid_engine", "lsf", "pbspro", "slurm", "torque")
    },
}


def below(package: str) -> set[str]:
    """Return the names of such modules in a package, as ``__name__`` gives it."""
    pairs = (name.rpartition(".") for name in GONE)
    return {module for parent, _, module in pairs if f"{_PACKAGE}.{parent}" == package}


def spec(fullname: str) -> ModuleSpec | None:
    """Return the spec of such a module, by its full name; None for others."""
    known = fullname.removeprefix(f"{_PACKAGE}.") in GONE
    return ModuleSpec(fullname, _Loader) if known else None  # type: ignore[arg-type]


class _Loader:
    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Ask for an ordinary module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        from parsl_on_dask.old_spellings.legacy import refused

        names, instead, there = GONE[module.__name__.removeprefix(f"{_PACKAGE}.")]
        module.__doc__ = instead or f"Names of Parsl's module: {', '.join(there)}."
        for name, place in there.items():
            found, _, attribute = place.partition(":")
            setattr(module, name, getattr(importlib.import_module(f"{_PACKAGE}.{found}"), attribute))
        module.__getattr__ = refused(module.__name__, dict.fromkeys(names.split(), instead))  # type: ignore[method-assign]
