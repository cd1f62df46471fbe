"""What processes that multiprocessing spawns are sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import multiprocessing, sys
print("main of", multiprocessing.current_process().name, getattr(sys, "sent", None), flush=True)
class Carrier:
    def __reduce__(self):
        return exec, ("import sys; sys.sent = 'something'",)
def look():
    pass
if __name__ == "__main__":
    from parsl_on_dask.python_internals.processes import send_to_spawned_processes
    send_to_spawned_processes(lambda: {"carrier": Carrier()})
    send_to_spawned_processes(lambda: {"carrier": 1 / 0})
    process = multiprocessing.get_context("spawn").Process(target=look, name="child")
    process.start()
    process.join()
"""


def test_send_to_spawned_processes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    out = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["main of MainProcess None", "main of child something"]
