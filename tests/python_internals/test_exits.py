"""When the interpreter's exit begins."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, threading
from parsl_on_dask.python_internals.exits import at_exit
def say(text):
    print(text, flush=True)
def early():
    thread = threading.Thread(target=say, args=("a thread",))
    thread.start()
    thread.join()
    say("early")
atexit.register(say, "late")
at_exit(early)
print("the last line")
"""


def test_at_exit() -> None:
    out = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    said = out.split("\n")[:-1]
    # Python 3.12.0 to 3.12.2 start no threads at that time
    assert [text for text in said if text != "a thread"] == ["the last line", "early", "late"]
