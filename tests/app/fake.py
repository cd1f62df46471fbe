"""A kernel that only notes what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


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
