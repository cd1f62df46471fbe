"""The moment at which the interpreter's exit begins."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable


def at_exit(function: Callable[[], object]) -> None:
    """Have a function called when the main thread has ended, while threads can still be started and joined.

    The functions of :mod:`atexit` are called later: ``concurrent.futures`` and Dask have joined their threads by then.
    The standard library registers its own clean-up with ``threading._register_atexit``; where that is gone,
    :mod:`atexit` has to do.
    """
    register = getattr(threading, "_register_atexit", None)
    if register is not None:
        register(function)
    else:
        atexit.register(function)
