"""What help() says of a provider names every argument, with its default."""

from __future__ import annotations

import inspect
import re

import pytest

from parsl_on_dask.providers import (
    CondorProvider,
    GridEngineProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
)
from parsl_on_dask.providers.jobqueue import JobQueueProvider

PROVIDERS = [
    CondorProvider,
    GridEngineProvider,
    JobQueueProvider,
    LSFProvider,
    PBSProProvider,
    SlurmProvider,
    TorqueProvider,
]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_argument_is_described_and_nothing_is_left_to_fill_in(provider: type) -> None:
    text = inspect.getdoc(provider) or ""
    named = {name for line in re.findall(r"^([\w, ]+) : ", text, re.M) for name in line.split(", ")}
    missing = set(inspect.signature(provider).parameters) - named - {"move_files"}
    assert not missing
    assert "{" not in text and "Raises" in text and text.index("Parameters") < text.index("Raises")


@pytest.mark.parametrize(
    ("provider", "line"),
    [
        (SlurmProvider, "each with ``#SBATCH`` in front"),
        (SlurmProvider, "Default 10."),
        (TorqueProvider, "Default ``AprunLauncher()``"),
        (GridEngineProvider, "Default ``SingleNodeLauncher()``"),
        (PBSProProvider, 'Default ``"00:20:00"``'),
        (GridEngineProvider, 'settings. Default ``"sge"``'),
    ],
)
def test_what_is_said_alike_has_each_providers_own_values(provider: type, line: str) -> None:
    assert line in " ".join((inspect.getdoc(provider) or "").split())
