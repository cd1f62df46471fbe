"""Tracebacks of other processes.

Python shows a frame by its code: the file, the function, and the part of the source that ran. So each frame that a
worker reported becomes one again, of code that raises at the same place; its source is looked up here.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any

from parsl_on_dask.remote.errors import PackedFrame

#: The last column where columns are not known: the whole line, which is shown without marks below it.
WHOLE = 10_000


class _Here(Exception):
    pass


def traceback_of(frames: Sequence[PackedFrame]) -> TracebackType | None:
    """The traceback that :func:`parsl_on_dask.remote.errors.pack_error` took apart; None for no frames at all.

    Examples
    --------
    >>> import traceback
    >>> made = traceback_of([("model.py", "solve", "model", 12, 12, 4, 20)])
    >>> traceback.extract_tb(made)
    [<FrameSummary file model.py, line 12 in solve>]
    """
    trace = None
    for packed in reversed(frames):
        frame, last = _frame(packed)
        trace = TracebackType(trace, frame, last, packed[3])
    return trace


def _frame(packed: PackedFrame) -> tuple[FrameType, int]:
    file, _, module, *_ = packed
    namespace: dict[str, Any] = {"__name__": module, "__file__": file, "_Here": _Here}
    try:
        exec(_code(*packed), namespace)
    except _Here as e:
        trace = e.__traceback__
        assert trace is not None and trace.tb_next is not None  # this frame, and that of the code
        return trace.tb_next.tb_frame, trace.tb_next.tb_lasti
    raise AssertionError("the code raises")


def _code(file: str, name: str, _: str, line: int, end: int, first: int | None, last: int | None) -> CodeType:
    if first is None or last is None:
        first, last = 0, WHOLE
    place = {"lineno": max(1, line), "end_lineno": max(1, line, end), "col_offset": first, "end_col_offset": last}
    body = ast.Raise(ast.Name("_Here", ast.Load(), **place), None, **place)
    code: CodeType = compile(ast.Module([body], []), file, "exec")
    return code.replace(co_name=name)
