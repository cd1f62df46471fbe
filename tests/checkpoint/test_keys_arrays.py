"""Arrays and tables as parts of keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.checkpoint.ids import PROTOCOL, ident
from parsl_on_dask.checkpoint.keys import id_for_memo
from tests.checkpoint.values import check_that_they_differ

np: Any = pytest.importorskip("numpy")


def arrays() -> dict[str, Any]:
    structured = np.zeros(3, dtype=np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8]}))
    structured["b"] = [1, 2, 3]
    return {
        "ints": np.arange(6),
        "reshaped": np.arange(6).reshape(2, 3),
        "other type": np.arange(6, dtype="i4"),
        "other byte order": np.arange(6, dtype=">i8"),
        "floats": np.linspace(0, 1, 5),
        "bool": np.array([True, False]),
        "empty": np.zeros((0, 3)),
        "text": np.array(["a", "bc"]),
        "empty text": np.array(["", ""]),
        "times": np.array(["2024-01-01", "NaT"], dtype="M8[s]"),
        "durations": np.array([1, 2], dtype="m8[ms]"),
        "objects": np.array([{"a": {1, 2}}, "x", None], dtype=object),
        "structured": structured,
        "long double": np.array([1, 2], dtype=np.longdouble) / 3,
        "nothing": np.array(5),
        "masked": np.ma.masked_array([1, 2, 3], mask=[0, 1, 0]),
        "scalar": np.int64(5),
        "small scalar": np.int8(5),
        "complex scalar": np.complex128(1 + 2j),
        "bytes scalar": np.bytes_(b"abc"),
        "time scalar": np.datetime64("2024-01-01"),
        "dtype": np.dtype("f8"),
        "struct dtype": np.dtype([("a", "i4")]),
        "ufunc": np.sin,
        "matrix": np.matrix([[1, 2]]),
    }


def tables() -> dict[str, Any]:
    pd: Any = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]})
    when = pd.to_datetime(["2024-01-01", "2024-06-01"])
    return {
        "frame": frame,
        "frame with index": frame.set_index("name"),
        "renamed": frame.rename(columns={"x": "y"}),
        "same name twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
        "series": frame["x"],
        "nullable": pd.Series([1, None, 3], dtype="Int64"),
        "nullable, other": pd.Series([1, 2, 3], dtype="Int64"),
        "nullable bool": pd.Series([True, None], dtype="boolean"),
        "category": pd.Series(["a", "b", "a"], dtype="category"),
        "category index": pd.CategoricalIndex(["a", "b", "a"]),
        "strings": pd.Series(["a", None], dtype="string"),
        "utc": pd.Series(when.tz_localize("UTC")),
        "berlin": pd.Series(when.tz_localize("Europe/Berlin")),
        "naive": pd.Series(when),
        "periods": pd.Series(pd.period_range("2024-01", periods=2, freq="M")),
        "intervals": pd.Series(pd.interval_range(0, 2)),
        "sparse": pd.Series([0, 0, 1], dtype="Sparse[int]"),
        "range index": pd.RangeIndex(5),
        "multi index": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["k", None]),
        "timestamp": pd.Timestamp("2024-01-01 00:00:00.000000001"),
        "timestamp zone": pd.Timestamp("2024-01-01", tz="Europe/Berlin"),
        "timedelta": pd.Timedelta("1 days 3ns"),
        "nat": pd.NaT,
        "na": pd.NA,
        "period": pd.Period("2024-01", "M"),
        "interval": pd.Interval(0, 1),
        "extension dtype": pd.Int64Dtype(),
        "category dtype": pd.CategoricalDtype(["a"]),
        "extension array": pd.array([1, None]),
    }


@pytest.mark.parametrize("make", [arrays, tables])
def test_different_values_are_different_and_equal_ones_are_equal(make: Any) -> None:
    check_that_they_differ(make(), make())


def test_parts_do_not_depend_on_the_process() -> None:
    root = str(Path(__file__).parents[2])
    code = (
        "import json; from tests.checkpoint.test_keys_arrays import arrays, tables; "
        "from parsl_on_dask.checkpoint.ids import ident; import parsl_on_dask.checkpoint.keys; "
        "print(json.dumps({n: ident(v).hex() for n, v in {**tables(), **arrays()}.items()}))"
    )
    shown = []
    for seed in "12":
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True, cwd=root)
        shown.append(json.loads(done.stdout))
    assert shown[0] == shown[1]


def test_the_order_in_memory_does_not_count() -> None:
    a = np.arange(600_000).reshape(3, 200, 1000)
    for same in (np.asfortranarray(a), a[::-1][::-1].copy("K"), np.concatenate([a, a], axis=2)[:, :, :1000]):
        assert ident(same) == ident(a)
    assert ident(a[:, ::-1]) != ident(a) != ident(a.T)
    times = np.arange(10).astype("M8[s]").reshape(2, 5)
    assert ident(np.asfortranarray(times)) == ident(times)


def test_gaps_between_fields_do_not_count() -> None:
    plain = arrays()["structured"]
    dirty = plain.copy()
    dirty.view(np.uint8).reshape(3, 16)[:, 1:8] = 77
    assert ident(dirty) == ident(plain)
    dirty["a"][1] = 1
    assert ident(dirty) != ident(plain)


def test_a_memmap_is_an_array(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "a", dtype="f8", mode="w+", shape=(4,))
    mapped[:] = [1, 2, 3, 4]
    assert ident(mapped) == ident(np.array([1.0, 2, 3, 4]))


def test_what_is_a_python_float_or_str_too_has_parsls_digest() -> None:
    import pickle

    for value in (np.float64(1.5), np.str_("a")):
        assert id_for_memo(value) == pickle.dumps(value, PROTOCOL)


def test_an_array_of_another_library_is_refused() -> None:
    class Quantity(np.ndarray):  # type: ignore[misc]
        unit = "m"

    with pytest.raises(ValueError, match=r"subclass of ndarray.*register\(.*Quantity\)"):
        ident(np.arange(3).view(Quantity))
    with pytest.raises(ValueError, match="unknown type"):
        ident(np.array([object()]))


def test_a_users_own_function_stays(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    code = (
        "import numpy as np; from parsl_on_dask.checkpoint.keys import id_for_memo\n"
        "id_for_memo.register(np.ndarray)(lambda obj, output_ref=False: b'mine')\n"
        "assert id_for_memo(np.int8(1)) != b'mine'\n"
        "assert id_for_memo(np.arange(3)) == b'mine'"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


def test_tables_with_other_values_or_orders_are_different() -> None:
    pd: Any = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3, 4]})
    changed = frame.copy()
    changed.loc[1, "y"] = 5
    others = [changed, frame[["y", "x"]], frame.iloc[::-1], frame.astype("float32"), frame.set_axis([1, 2])]
    assert len({ident(f) for f in [frame, *others]}) == 6
    assert ident(frame.copy()) == ident(frame)


def test_a_table_of_another_library_is_refused() -> None:
    pd: Any = pytest.importorskip("pandas")

    class GeoFrame(pd.DataFrame):  # type: ignore[misc]
        pass

    with pytest.raises(ValueError, match="subclass of DataFrame"):
        ident(GeoFrame())
