"""What identifies numpy's values. Imported when the first of them is met."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

from parsl_on_dask.checkpoint.ids import DIGEST, class_name, ident, plain_id, refuse_subclass, register_default, tagged

# not an import statement: what type checkers know of it changes with its version, and it may not be there
np: Any = importlib.import_module("numpy")

#: Arrays that are not in C order are brought into it so many elements at a time.
BUFFER = 1 << 16

_KINDS: tuple[type, ...] = (np.ndarray, np.memmap, np.matrix, np.recarray)


def dtype_id(dtype: Any) -> bytes:
    """What stands for a type of elements."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return tagged("subarray", dtype_id(base), repr(shape).encode())
    if dtype.names is not None:
        fields = (part for name in dtype.names for part in (name.encode(), dtype_id(dtype[name])))
        return tagged("struct", *fields)
    return tagged("dtype", dtype.str.encode())


def elements_digest(array: Any) -> bytes:
    """A digest of the elements of a plain array, whatever their order in memory."""
    digest = hashlib.blake2b(digest_size=DIGEST)
    if array.size == 0 or array.dtype.itemsize == 0:
        return digest.digest()
    if array.flags.c_contiguous:
        digest.update(array.reshape(-1).view(np.uint8))
        return digest.digest()
    flags = ["external_loop", "buffered"]
    for chunk in np.nditer(array, flags=flags, order="C", buffersize=BUFFER):
        digest.update(np.ascontiguousarray(chunk).view(np.uint8))
    return digest.digest()


def contents(array: Any) -> bytes:
    """What stands for the elements of an array."""
    dtype = array.dtype
    if dtype.names is not None:  # one by one: the gaps between the fields hold anything
        return tagged("fields", *(contents(array[name]) for name in dtype.names))
    if dtype.hasobject or dtype.kind == "T":  # in memory these are addresses
        return tagged("objects", objects_digest(array.reshape(-1).tolist()))
    if dtype.char in "gG":  # in memory a long double has bytes that mean nothing
        parts = (array.real, array.imag) if dtype.char == "G" else (array,)
        text = (np.format_float_scientific(v) for part in parts for v in part.reshape(-1))
        return tagged("long doubles", objects_digest(list(text)))
    return tagged("elements", elements_digest(array))


def objects_digest(values: list[Any]) -> bytes:
    """A digest of a list of Python objects."""
    digest = hashlib.blake2b(digest_size=DIGEST)
    update = digest.update
    for value in values:
        if type(value) is str:
            part, kind = value.encode("utf-8", "surrogatepass"), b"s"
        else:
            part, kind = ident(value), b"o"
        update(kind + len(part).to_bytes(8, "big"))
        update(part)
    return digest.digest()


def array_id(obj: Any) -> bytes:
    """Class, type of elements, shape and elements; not the order in memory."""
    if isinstance(obj, np.ma.MaskedArray):
        refuse_subclass(obj, np.ma.MaskedArray)
        mask = np.ma.getmaskarray(obj)
        hidden = obj.filled(obj.dtype.type()) if obj.dtype.names is None else np.asarray(obj.data)
        return tagged("masked array", array_id(hidden), array_id(mask), ident(obj.fill_value))
    refuse_subclass(obj, *_KINDS)
    # a memmap is an array like any other, wherever its file is
    kind = b"" if type(obj) in (np.ndarray, np.memmap) else class_name(type(obj))
    plain = np.asarray(obj)
    return tagged("ndarray", kind, dtype_id(plain.dtype), repr(plain.shape).encode(), contents(plain))


def scalar_id(obj: Any) -> bytes:
    """Type and value. What is a Python float or str as well is Parsl's to say."""
    if isinstance(obj, (str, int, float)):
        as_parsl: bytes = plain_id(obj)
        return as_parsl
    array = np.asarray(obj)
    return tagged("scalar", dtype_id(array.dtype), contents(array))


def register() -> None:
    """Make numpy's types known."""
    register_default(np.ndarray, array_id)
    register_default(np.generic, scalar_id)
    register_default(np.bytes_, scalar_id)  # bytes come first among its bases
    register_default(np.dtype, dtype_id)
    register_default(np.ufunc, lambda obj: tagged("ufunc", obj.__name__.encode()))
