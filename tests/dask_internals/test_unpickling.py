"""Dask unpickles values in its event loop by a function that can be replaced."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from distributed.protocol.serialize import deserialize, serialize
if {survive}:
    from parsl_on_dask.dask_internals.unpickling import survive_exits
    survive_exits()

class Ends:
    def __reduce__(self):
        return exec, ("raise SystemExit(3)",)

header, frames = serialize(Ends(), serializers=["pickle"])

def read():
    try:
        deserialize(header, frames)
    except BaseException as e:
        print(type(e).__name__)

thread = threading.Thread(target=read)
thread.start()
thread.join()
"""


def said(survive: bool) -> str:
    program = PROGRAM.format(survive=survive)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_survive_exits() -> None:
    assert said(survive=True) == "RuntimeError"


def test_survive_exits_is_needed() -> None:
    """When this fails, Dask itself makes an ordinary exception of what ends event loops."""
    assert said(survive=False) == "SystemExit"
