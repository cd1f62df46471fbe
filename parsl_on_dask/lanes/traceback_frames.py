"""Tracebacks of other processes.

Python shows a frame by its code: the file, the function, and the part of the source that ran. So each frame that a
worker reported becomes one again, of code that raises at the same place; its source is looked up here.
"""

from __future__ import annotations

import ast
import sys
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
    >>> made = traceback_of([("model.py", "solve", "Model.solve", "model", 9, 12, 12, 4, 20)])
    >>> traceback.extract_tb(made)
    [<FrameSummary file model.py, line 12 in solve>]
    """
    trace = None
    for packed in reversed(frames):
        try:
            frame, last = _frame(packed)
        except ValueError:  # no file has such a name, or no code such a place: it is told without this frame
            continue
        trace = TracebackType(trace, frame, last, packed[5])
    return trace


def _frame(packed: PackedFrame) -> tuple[FrameType, int]:
    file, _, _, module, *_ = packed
    namespace: dict[str, Any] = {"__name__": module, "__file__": file, "_Here": _Here}
    try:
        exec(_code(*packed), namespace)
    except _Here as e:
        trace = e.__traceback__
        assert trace is not None and trace.tb_next is not None  # this frame, and that of the code
        return trace.tb_next.tb_frame, trace.tb_next.tb_lasti
    raise AssertionError("the code raises")


def _code(
    file: str, name: str, qualname: str, _: str, begin: int, line: int, end: int, first: int | None, last: int | None
) -> CodeType:
    if first is None or last is None:
        first, last = 0, WHOLE
    line = max(1, line)
    place: Any = {"lineno": line, "end_lineno": max(line, end), "col_offset": first, "end_col_offset": last}
    whole: Any = {**place, "lineno": min(max(1, begin), line), "col_offset": 0, "end_col_offset": WHOLE}
    body = ast.Raise(ast.Name("_Here", ast.Load(), **place), None, **place)
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    # a function, so that whoever looks for its source finds where it begins
    since_312: Any = {"type_params": []} if sys.version_info >= (3, 12) else {}
    function = ast.FunctionDef(name, nothing, [body], [], **since_312, **whole)
    outer = compile(ast.Module([function], []), file, "exec")
    code = next(const for const in outer.co_consts if isinstance(const, CodeType))
    since_311: Any = {"co_qualname": qualname} if sys.version_info >= (3, 11) else {}
    return code.replace(**since_311)
