"""Failed calls are kept as long as there is room, and never at the cost of the failure itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask import join_app, python_app
from tests.helpers import WAIT


@pytest.fixture(scope="module")
def config_name() -> str:
    return "threads"


class Unwilling:
    def __reduce__(self) -> Any:
        raise RuntimeError("not to be pickled")


@python_app
def fail(x: Any) -> None:
    raise ValueError("always")


@python_app
def after(x: Any) -> Any:
    return x


@join_app
def join(x: Any) -> Any:
    return fail(x)


def kept(kernel: Any) -> set[int]:
    return {int(p.stem) for p in Path(kernel.run_dir, "failed_calls").glob("*.call")}


def failing(*futures: Any) -> None:
    for future in futures:
        assert future.exception(WAIT) is not None


def test_sizes(load: Any) -> None:
    kernel = load(kept_failures=(1, 2))
    calls = [fail(b"x" * 700_000) for _ in range(4)]
    large, small = fail(b"x" * 1_200_000), fail(1)
    failing(*calls, large, small)
    assert len(kept(kernel) & {f.tid for f in calls}) == 2, "three would be too much for the run"
    assert large.tid not in kept(kernel) and small.tid in kept(kernel)


def test_off(load: Any) -> None:
    kernel = load(kept_failures=None)
    failing(fail(1))
    assert not Path(kernel.run_dir, "failed_calls").exists()


def test_what_cannot_be_pickled_fails_as_ever(load: Any) -> None:
    kernel = load()
    future = fail(Unwilling())
    with pytest.raises(ValueError, match="always") as caught:
        future.result(WAIT)
    assert not kept(kernel) and not getattr(caught.value, "__notes__", [])


@join_app
def broken_join() -> Any:
    raise ValueError("before it called anything")


def test_only_what_failed_itself_is_kept(load: Any) -> None:
    kernel = load()
    joined = join(1)
    failing(joined, after(joined), broken_join())
    assert len(kept(kernel)) == 1
