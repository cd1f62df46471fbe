"""What functions remember of where they were written, when they travel by value."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

import cloudpickle
import pytest

from parsl_on_dask.remote.packing import NOWHERE, dumps, dumps_with_refs, loads, loads_with_refs


def file_of(function: Any) -> str:
    code: CodeType = function.__code__
    return code.co_filename


def around() -> Callable[[], Callable[[], int]]:
    def middle() -> Callable[[], int]:
        return lambda: 1

    return middle


class Thing:
    def method(self) -> int:
        return 1

    @property
    def part(self) -> int:
        return 1


def of_thing(cls: Any) -> list[Any]:
    return [cls.method, cls.part.fget]


@pytest.mark.parametrize("pack", [dumps, lambda value: dumps_with_refs(value, lambda obj: None)])
def test_functions_know_their_file(pack: Callable[[Any], bytes]) -> None:
    middle = loads_with_refs(pack(around()), [])
    sent = [middle, middle(), *of_thing(loads_with_refs(pack(Thing), [])), loads_with_refs(pack([lambda: 1]), [])[0]]
    assert {file_of(each) for each in sent} == {__file__}


def test_code_of_a_notebooks_cell_knows_its_cell() -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def f():\n    return 1 / 0\n", "/tmp/ipykernel_1/2.py", "exec"), space)
    assert file_of(loads(dumps(space["f"]))) == "/tmp/ipykernel_1/2.py"


def test_cloudpickle_writes_the_file_or_the_mark_that_stands_for_it() -> None:
    """When it writes something else, remote/packing.py has to look for that."""
    assert file_of(loads(cloudpickle.dumps(lambda: 1))) in (__file__, NOWHERE)
