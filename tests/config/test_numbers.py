"""Every argument that is a number, of every class that a user configures, refuses what is none."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import pytest

import parsl_on_dask.executors as executors
import parsl_on_dask.launchers as launchers
import parsl_on_dask.providers as providers
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError, TypeCheckError
from parsl_on_dask.executors.taskvine import TaskVineFactoryConfig, TaskVineManagerConfig
from parsl_on_dask.monitoring.monitoring import MonitoringHub
from parsl_on_dask.monitoring.radios.udp import UDPRadio

CLASSES = [
    Config,
    MonitoringHub,
    BasicMemoizer,
    TaskVineFactoryConfig,
    TaskVineManagerConfig,
    UDPRadio,
    *(getattr(room, name) for room in (executors, providers, launchers) for name in room.__all__),
]
#: No limit, and no end.
ENDLESS = {"max_workers_per_node", "max_workers", "max_idletime"}
NEEDED: dict[str, dict[str, Any]] = {
    "DaskExecutor": {"address": "tcp://127.0.0.1:1"},
    "UDPRadio": {"address": "127.0.0.1"},
}


def numbers_of(cls: type) -> list[str]:
    found = []
    for name, parameter in inspect.signature(cls).parameters.items():
        kind = str(parameter.annotation)
        if "int" in kind.split("[")[0] or "float" in kind.split("[")[0]:
            found.append(name)
    return found


ARGUMENTS = [(cls, name) for cls in CLASSES if isinstance(cls, type) for name in numbers_of(cls)]


def make(cls: type, **given: Any) -> Any:
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            given.setdefault(name, "x")
    return cls(**{**NEEDED.get(cls.__name__, {}), **{k: v for k, v in given.items() if k != "args"}})


def test_there_are_many() -> None:
    assert len(ARGUMENTS) > 100
    assert {cls.__name__ for cls, _ in ARGUMENTS} > {"Config", "HighThroughputExecutor", "SlurmProvider"}


@pytest.mark.parametrize(("cls", "name"), ARGUMENTS, ids=lambda value: getattr(value, "__name__", value))
def test_nan_and_infinity_are_refused(cls: type, name: str) -> None:
    refused = [math.nan, -math.inf]
    if not (name in ENDLESS and cls.__name__ in ("HighThroughputExecutor", "DaskExecutor", "Config")):
        refused.append(math.inf)
    for value in refused:
        with warnings.catch_warnings(), pytest.raises((ConfigurationError, TypeCheckError), match=name):
            warnings.simplefilter("ignore")
            make(cls, **NEEDED.get(cls.__name__, {}), **{name: value})


def test_infinity_where_there_may_be_no_end() -> None:
    assert Config(max_idletime=math.inf).max_idletime == math.inf
    assert executors.HighThroughputExecutor(max_workers_per_node=math.inf).max_workers_per_node is None


def test_the_text_says_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"strategy_period=inf.*infinity is not a usable number. Write"):
        Config(strategy_period=math.inf)
    with pytest.raises(ConfigurationError, match=r"drain_period=inf.*Write None for no limit"):
        executors.HighThroughputExecutor(drain_period=math.inf)
