"""A kernel that only notes what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import parsl_on_dask.remote


@dataclass
class Submission:
    func: Callable[..., Any]
    args: Sequence[Any]
    kwargs: dict[str, Any]
    executors: Any
    cache: bool
    ignore_for_cache: Sequence[str] | None
    join: bool

    def run(self) -> Any:
        return self.func(*self.args, **self.kwargs)


class FakeKernel:
    def submit(
        self,
        func: Callable[..., Any],
        app_args: Sequence[Any],
        executors: Any = "all",
        cache: bool = False,
        ignore_for_cache: Sequence[str] | None = None,
        app_kwargs: dict[str, Any] | None = None,
        join: bool = False,
    ) -> Submission:
        return Submission(func, app_args, app_kwargs or {}, executors, cache, ignore_for_cache, join)


KERNEL: Any = FakeKernel()


#: Source text for an interpreter that has nothing of the package but what is sent to workers.
BARE_WORKER = f"""
import pathlib, sys, types
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "parsl_on_dask":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Nothing())
for package in ("parsl_on_dask", "parsl_on_dask.remote"):
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = []
for name in ("errors", "lasting", "reaper", "wrapping", "journal", "walltime", "shell", "apps"):
    module = types.ModuleType("parsl_on_dask.remote." + name)
    module.__package__ = "parsl_on_dask.remote"
    sys.modules[module.__name__] = module
    setattr(sys.modules["parsl_on_dask.remote"], name, module)
    exec(pathlib.Path({str(Path(parsl_on_dask.remote.__file__).parent)!r}, name + ".py").read_text(), module.__dict__)
"""
