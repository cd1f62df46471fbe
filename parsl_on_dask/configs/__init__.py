"""Sample configurations: ``from parsl.configs.htex_local import config``.

Each of :data:`~parsl_on_dask.configs.samples.SAMPLES` is a module of its own for those who import it, whose ``config``
is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from parsl_on_dask.configs.samples import SAMPLES, endpoints
from parsl_on_dask.importing.lazily import lazily
from parsl_on_dask.old_spellings.legacy import refused

_submodule, _submodules = lazily(__name__)


def __getattr__(name: str) -> Any:
    return _submodule(name)


def __dir__() -> list[str]:
    return sorted({*_submodules(), *SAMPLES})


def spec_of(name: str) -> ModuleSpec | None:
    """The module of a sample; None for other names."""
    found = ModuleSpec(f"{__name__}.{name}", _Loader, origin=__file__)  # type: ignore[arg-type]
    return found if name in SAMPLES else None


class _Loader:
    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Ask for an ordinary module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        sample = SAMPLES[module.__name__.rpartition(".")[2]]
        refuse = refused(module.__name__, {"config": str(sample.config)})

        def __getattr__(name: str) -> Any:
            if name != "config" or isinstance(sample.config, str):
                return refuse(name)
            made = endpoints(module, sample.config) if isinstance(sample.config, Mapping) else sample.config()
            return vars(module).setdefault(name, made)

        vars(module).update(sample.names, __doc__=sample.about, __getattr__=__getattr__, __all__=["config"])
