"""Keeps Dask's event loops alive when unpickling runs code that wants to end the process.

Dask unpickles large values in its event loop. An asyncio loop ends with SystemExit and KeyboardInterrupt, whichever of
its tasks raises them; then nothing reaches this process any more. A value's class can raise SystemExit where it is
unpickled, for instance when its module reads the command line at import.
"""

from __future__ import annotations

import threading
from typing import Any

_done = False


def survive_exits() -> None:
    """Make an ordinary exception of what ends event loops, where Dask unpickles in this process.

    Uses ``register_serialization_family``, by which Dask lets its ways of serialising be replaced.
    """
    global _done
    if _done:
        return
    from distributed.protocol.serialize import families, register_serialization_family

    dumps, loads, _ = families["pickle"]

    def loads_or_fails(header: Any, frames: Any) -> Any:
        try:
            return loads(header, frames)
        except (SystemExit, KeyboardInterrupt) as e:
            if threading.current_thread() is threading.main_thread():  # it may be Ctrl-C
                raise
            raise RuntimeError(f"unpickling a value raised {type(e).__name__}: {e}") from e

    register_serialization_family("pickle", dumps, loads_or_fails)
    _done = True
