"""Which types can be part of a key, and that two values have the same part only if they are the same."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import os
import pathlib
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint.ids import PROTOCOL, ident
from parsl_on_dask.checkpoint.keys import id_for_memo, make_hash
from tests.checkpoint import show_values, values
from tests.helpers import shown

# made by Python 3.10
DIGESTS = json.loads(Path(__file__).with_name("value_digests.json").read_text())


# a row made by each Python: python -m tests.checkpoint.show_values row
BY_PYTHON = json.loads(Path(__file__).with_name("digests_by_python.json").read_text())


def another(x: Any) -> Any:
    return x


def in_another_process(code: str, seed: str) -> Any:
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, cwd=root)
    return json.loads(done.stdout)


def test_digests_stay_what_they_are() -> None:
    assert show_values.digests() == DIGESTS


def test_digests_do_not_change_with_python() -> None:
    assert {version.rpartition(".")[0] for version in BY_PYTHON} == {"3.10", "3.11", "3.12", "3.13", "3.14"}
    assert {*show_values.row().values()} == {*BY_PYTHON.values()}


def test_digests_do_not_depend_on_the_process() -> None:
    code = "import json; from tests.checkpoint.show_values import digests; print(json.dumps(digests()))"
    assert in_another_process(code, "1") == in_another_process(code, "2") == show_values.digests()


def test_different_values_are_different_and_equal_ones_are_equal() -> None:
    values.check_that_they_differ(values.values(), values.values())


def test_a_value_twice_in_a_list_counts_as_two_equal_ones() -> None:
    for name, value in values.values().items():
        copy = values.values()[name]
        if not callable(value):  # Parsl's rule about functions goes by which object it is
            assert ident([value, value]) == ident([value, copy]), name


def test_what_is_alike() -> None:
    assert ident({1, 2}) == ident(frozenset([2, 1]))
    assert ident(b"abc") == ident(bytearray(b"abc"))
    assert ident({"a": 1, 2: 3}) == ident({2: 3, "a": 1}) != ident({"a": 1, 2: 4})


def test_dicts_that_parsl_can_sort_keep_its_digest() -> None:
    assert ident({2: "b", 1: "a"}) == pickle.dumps([pickle.dumps(v, PROTOCOL) for v in (1, "a", 2, "b")], PROTOCOL)
    assert ident(values.Level.LOW) == pickle.dumps(values.Level.LOW, PROTOCOL)  # an int, for Parsl


def test_dicts_whose_keys_compare_without_an_order() -> None:
    keys = [frozenset(k) for k in ([1, 2], [3], [1], [2, 3])]
    assert ident(dict.fromkeys(keys)) == ident(dict.fromkeys(reversed(keys)))
    assert ident({(k, 1): 0 for k in keys}) == ident({(k, 1): 0 for k in reversed(keys)})


def test_dataclasses_count_with_their_class_and_all_they_hold() -> None:
    @dataclasses.dataclass
    class Other:
        name: str
        cells: list[int]
        origin: Any = (0.0, 0.0)

    class Grown(values.Mesh):
        def __init__(self, extra: Any) -> None:
            super().__init__("m", [])
            self.extra = extra

    assert ident(Other("m", [])) != ident(values.Mesh("m", []))
    assert ident(Grown(1)) == ident(Grown(1)) != ident(Grown(2))


def test_a_changed_value_of_an_enumeration_counts() -> None:
    def made(value: Any) -> Any:
        class Mode(enum.Enum):
            FAST = value

        return Mode.FAST

    assert ident(made(1)) == ident(made(1)) != ident(made(2))
    assert ident(made(object())) == ident(made(object()))  # such a value is known by its name only


class Path2(pathlib.PurePosixPath):
    pass


class Day(dt.date):
    pass


class Tags(set):  # type: ignore[type-arg]
    pass


class Order(OrderedDict):  # type: ignore[type-arg]
    pass


class Label(tuple):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize("value", [Path2("a"), Day(2024, 1, 1), Tags("ab"), Order(), Label("ab")], ids=shown)
def test_subclasses_are_refused_since_they_may_hold_more(value: Any) -> None:
    with pytest.raises(ValueError, match=rf"a subclass of .*register\({type(value).__name__}\)"):
        ident(value)


def test_a_users_own_function_replaces_what_is_built_in() -> None:
    class Kind(enum.Enum):
        A = 1

    id_for_memo.register(Kind)(lambda obj, output_ref=False: b"mine")
    assert id_for_memo(Kind.A) == b"mine"


def test_numpy_and_pandas_are_not_imported_before_they_are_met() -> None:
    code = (
        "import sys, json; import parsl_on_dask; from parsl_on_dask.checkpoint.keys import id_for_memo\n"
        "try: id_for_memo(object())\nexcept ValueError: pass\n"
        "print(json.dumps([m for m in ('numpy', 'pandas', 'distributed') if m in sys.modules]))"
    )
    assert in_another_process(code, "0") == []


def test_make_hash_takes_all_of_them() -> None:
    record = {"func": another, "args": (), "kwargs": values.values(), "ignore_for_cache": ()}
    assert make_hash(record) == make_hash(record)
