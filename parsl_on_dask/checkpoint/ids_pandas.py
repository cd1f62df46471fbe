"""What identifies pandas' values. Imported when the first of them is met."""

from __future__ import annotations

import importlib
from typing import Any

from parsl_on_dask.checkpoint.ids import class_name, ident, refuse_subclass, register_default, tagged
from parsl_on_dask.checkpoint.ids_numpy import array_id, objects_digest
from parsl_on_dask.checkpoint.ids_standard import numbers, zone_id

np: Any = importlib.import_module("numpy")
pd: Any = importlib.import_module("pandas")


def values_id(column: Any) -> bytes:
    """What stands for the values of a Series or a one-level Index."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return array_id(np.asarray(column.to_numpy()))
    name = str(dtype).encode()
    if isinstance(dtype, pd.CategoricalDtype):
        codes = column.codes if isinstance(column, pd.Index) else column.cat.codes.to_numpy()
        return tagged("categories", ident(dtype.ordered), values_id(dtype.categories), array_id(np.asarray(codes)))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return tagged("moments", name, array_id(pd.DatetimeIndex(column).asi8))
    missing = np.asarray(column.isna())
    if dtype.kind in "iufb" and not isinstance(dtype, pd.SparseDtype):  # Int64, Float64, boolean and their like
        present = column[~missing].to_numpy(dtype=getattr(dtype, "numpy_dtype", None))
        return tagged("nullable", name, array_id(missing), array_id(np.asarray(present)))
    return tagged("values", name, objects_digest(list(column)))


def index_id(obj: Any) -> bytes:
    """Names and values; a range by its ends."""
    if isinstance(obj, pd.MultiIndex):
        levels = [obj.get_level_values(i) for i in range(obj.nlevels)]
        return tagged("MultiIndex", *(part for x in levels for part in (ident(x.name), values_id(x))))
    if isinstance(obj, pd.RangeIndex):
        return tagged("RangeIndex", ident(obj.name), numbers("range", obj.start, obj.stop, obj.step))
    if type(obj).__module__.partition(".")[0] != "pandas":
        refuse_subclass(obj, pd.Index)
    return tagged("Index", ident(obj.name), values_id(obj))


def series_id(obj: Any) -> bytes:
    """Name, index and values."""
    refuse_subclass(obj, pd.Series)
    return tagged("Series", ident(obj.name), index_id(obj.index), values_id(obj))


def frame_id(obj: Any) -> bytes:
    """Index, names of the columns, and their values."""
    refuse_subclass(obj, pd.DataFrame)
    columns = (values_id(obj.iloc[:, i]) for i in range(obj.shape[1]))
    return tagged("DataFrame", index_id(obj.index), index_id(obj.columns), *columns)


def timestamp_id(obj: Any) -> bytes:
    """The time, to the nanosecond, and its zone."""
    refuse_subclass(obj, pd.Timestamp)
    return tagged("Timestamp", obj.tz_localize(None).isoformat().encode(), b"%d" % obj.fold, zone_id(obj))


def _dtype_id(obj: Any) -> bytes:
    if isinstance(obj, pd.CategoricalDtype):
        categories = b"" if obj.categories is None else values_id(obj.categories)
        return tagged("CategoricalDtype", ident(obj.ordered), categories)
    return tagged("extension dtype", class_name(type(obj)), str(obj).encode())


def register() -> None:
    """Make pandas' types known."""
    register_default(pd.DataFrame, frame_id)
    register_default(pd.Series, series_id)
    register_default(pd.Index, index_id)
    register_default(pd.Timestamp, timestamp_id)
    register_default(
        pd.Timedelta, lambda obj: numbers("Timedelta", obj.days, obj.seconds, obj.microseconds, obj.nanoseconds)
    )
    for missing in (pd.NaT, pd.NA):
        register_default(type(missing), lambda obj: tagged("missing", class_name(type(obj))))
    register_default(pd.Period, lambda obj: numbers("Period", obj.ordinal, obj.freqstr))
    register_default(pd.Interval, lambda obj: tagged("Interval", ident(obj.left), ident(obj.right), ident(obj.closed)))
    register_default(pd.api.extensions.ExtensionDtype, _dtype_id)
    register_default(pd.api.extensions.ExtensionArray, lambda obj: tagged("extension array", values_id(pd.Series(obj))))
