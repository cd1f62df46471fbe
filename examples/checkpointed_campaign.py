"""A campaign that may be stopped at any time, and goes on where it was: the deepest nesting in Python's own library.

    python examples/checkpointed_campaign.py --stop-after 60    # is killed when 60 files are done
    python examples/checkpointed_campaign.py                    # does the others
    python examples/checkpointed_campaign.py                    # does nothing again
    python -m parsl_on_dask checkpoint ls campaign/results      # what is recorded

One call looks at one file. Its result is recorded when it is done, under a key made of the text of the app (and of the
function that it uses) and of the file's path, size and time. So a file that has changed is looked at again, and after a
change of `deepest` all of them are.
"""

from __future__ import annotations

import argparse
import os
import signal
import sysconfig
import time
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import parsl_on_dask as parsl
from parsl_on_dask import File, python_app
from parsl_on_dask.checkpoint import Cache
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.executors import HighThroughputExecutor, ThreadPoolExecutor


def step(token: Any) -> int:
    import tokenize

    return (token.type == tokenize.INDENT) - (token.type == tokenize.DEDENT)


@python_app(cache=Cache(identity="source", files="stat"))
def deepest(source: File) -> tuple[int, int]:
    """How deep the blocks of a file go, and in which line."""
    import tokenize

    depth, found = 0, (0, 0)
    try:
        with tokenize.open(source.filepath) as lines:
            for token in tokenize.generate_tokens(lines.readline):
                depth += step(token)
                if depth > found[0]:
                    found = depth, token.start[0]
    except (SyntaxError, UnicodeDecodeError, tokenize.TokenError):
        pass  # the library keeps a few broken files to test itself with
    return found


def source_files() -> list[Path]:
    """Every Python file of the standard library, by name."""
    library = Path(sysconfig.get_path("stdlib"))
    return sorted(p for p in library.rglob("*.py") if not {"site-packages", "dist-packages"} & set(p.parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=240, help="how many of the files (default: 240)")
    parser.add_argument("--stop-after", type=int, metavar="N", help="kill this process when N files are done")
    parser.add_argument("--directory", default="campaign", help="where everything is kept (default: campaign)")
    parser.add_argument("--executor", choices=("processes", "threads"), default="processes")
    options = parser.parse_args()

    files = source_files()[: options.files]
    executor = HighThroughputExecutor(max_workers_per_node=2)
    config = Config(
        executors=[executor if options.executor == "processes" else ThreadPoolExecutor(max_threads=2)],
        run_dir=os.path.join(options.directory, "runs"),
        memoizer=BasicMemoizer(checkpoint_mode="task_exit", directory=os.path.join(options.directory, "results")),
    )
    with parsl.load(config):
        began = time.perf_counter()
        futures = {deepest(File(str(path))): path for path in files}
        for done, _ in enumerate(as_completed(futures), start=1):
            if done == options.stop_after:
                print(f"{done} of {len(files)} files done: killed", flush=True)
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        seconds = time.perf_counter() - began
        reused = sum(future.task_record["from_memo"] for future in futures)

    print(f"{len(files)} files: {reused} as recorded, {len(files) - reused} looked at, in {seconds:.2f} s")
    ranking = sorted((*future.result(), path.name) for future, path in futures.items())
    for depth, line, name in reversed(ranking[-5:]):
        print(f"{depth:4} blocks deep at line {line} of {name}")


if __name__ == "__main__":
    main()
