"""Starts threads early: Python 3.12.0 to 3.12.2 start none any more once the interpreter's exit has begun.

Kernels that a script leaves are cleaned up in the first hook of the exit, and Dask and this package start threads for
that. Other releases of Python still start threads there. So what is needed is started before, or done without a thread.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

#: Whether this Python is one of these.
LATE = (3, 12) <= sys.version_info[:2] < (3, 13) and sys.version_info < (3, 12, 3)


def no_more_threads() -> bool:
    """Whether no thread can be started any more."""
    if not LATE:
        return False
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return True
    return False


def beside(function: Callable[..., Any], *args: Any, name: str, patience: float = 0) -> None:
    """Call a function in a thread of its own; in this one, if none can be started any more.

    - `*args`: its arguments.
    - `name`: the thread's.
    - `patience`: seconds that its end is waited for. Default 0.
    """
    thread = threading.Thread(target=function, args=args, name=name, daemon=True)
    if no_more_threads():
        function(*args)
        return
    thread.start()
    if patience:
        thread.join(patience)
