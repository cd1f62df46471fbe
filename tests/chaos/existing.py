"""A Dask cluster that somebody else has: ``python existing.py DIRECTORY``.

One process, which forks a scheduler and three workers with a thread each, and replaces workers that die. What the
scheduler holds is in ``DIRECTORY/state.json``, written anew several times a second. Our package cannot be imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path[:] = [path for path in sys.path if not os.path.isdir(os.path.join(path or ".", "parsl_on_dask"))]

import distributed  # noqa: E402
import distributed.dashboard  # noqa: E402

WORKERS = 3


def replace_file(path: Path, text: str) -> None:
    path.with_suffix(".part").write_text(text)
    os.replace(path.with_suffix(".part"), path)


async def schedule(directory: Path) -> None:
    async with distributed.Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
        own = set(scheduler.plugins)
        while True:
            state = {
                "address": scheduler.address,
                "workers": len(scheduler.workers),
                "tasks": [str(key) for key in scheduler.tasks],
                "plugins": [name for name in {*scheduler.plugins, *scheduler.worker_plugins} if name not in own],
                "topics": [name for name in scheduler._broker._topics if name.startswith("parsl-")],
                "clients": [name for name in scheduler.clients if name != "fire-and-forget"],
            }
            replace_file(directory / "state.json", json.dumps(state))
            await asyncio.sleep(0.1)


async def work(directory: Path, address: str, number: int) -> None:
    worker = await distributed.Worker(
        address, nthreads=1, host="127.0.0.1", local_directory=str(directory), name=f"w{number}-{os.getpid()}"
    )
    await worker.finished()


def forked(directory: Path, name: str, coroutine: object) -> int:
    pid = os.fork()
    if not pid:
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            (directory / f"{name}.pid").write_text(str(os.getpid()))
            asyncio.run(coroutine)  # type: ignore[arg-type]
            code = 0
        finally:
            os._exit(code)
    coroutine.close()  # type: ignore[attr-defined]
    return pid


def main(directory: Path) -> None:
    os.environ.pop("PYTHONPATH", None)
    children = {forked(directory, "scheduler", schedule(directory)): -1}
    while not (directory / "state.json").exists():
        time.sleep(0.02)
    address = json.loads((directory / "state.json").read_text())["address"]
    for number in range(WORKERS):
        children[forked(directory, f"worker-{number}", work(directory, address, number))] = number

    def end(*_: object) -> None:
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    while True:
        pid, _ = os.wait()
        number = children.pop(pid)
        if number < 0:  # without a scheduler there is no cluster
            end()
        time.sleep(0.2)
        children[forked(directory, f"worker-{number}", work(directory, address, number))] = number


if __name__ == "__main__":
    main(Path(sys.argv[1]))
