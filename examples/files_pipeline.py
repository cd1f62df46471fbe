"""Which words do many texts share? Shell commands that hand files on, each started when its inputs are there.

    python examples/files_pipeline.py [--directory out] [--executor processes|threads|tcp://SCHEDULER] TEXT...

Without texts it takes those of the licence and the documentation that lie beside this example's directory.
The files in between are never waited for: an app is given the DataFuture of a file that another one is going to write.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import parsl_on_dask as parsl
from parsl_on_dask import bash_app, python_app
from parsl_on_dask.app.futures import DataFuture
from parsl_on_dask.config import Config
from parsl_on_dask.data_provider.files import File
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor


@bash_app
def words(inputs: list[File] = [], outputs: list[File] = []) -> str:
    """The words of a text, one a line, each once, in alphabetical order."""
    return f"tr -cs 'A-Za-z' '\\n' < '{inputs[0]}' | tr A-Z a-z | grep . | LC_ALL=C sort -u > '{outputs[0]}'"


@bash_app
def common(inputs: list[DataFuture] = [], outputs: list[File] = []) -> str:
    """The lines that two sorted files have in common."""
    return f"LC_ALL=C comm -12 '{inputs[0]}' '{inputs[1]}' > '{outputs[0]}'"


@bash_app
def longest(inputs: list[DataFuture] = [], stdout: Any = None) -> str:
    """The ten longest lines, the longest first."""
    return f"awk '{{ print length($0), $0 }}' '{inputs[0]}' | LC_ALL=C sort -k1,1nr -k2,2 | head -n 10"


@python_app
def count(file: File) -> int:
    with open(file) as f:
        return sum(1 for _ in f)


def executor(name: str) -> Any:
    if name == "threads":
        return ThreadPoolExecutor(max_threads=2)
    if name == "processes":
        return HighThroughputExecutor(max_workers_per_node=2)
    return DaskExecutor(name)


def own_texts() -> list[Path]:
    root = Path(__file__).resolve().parent.parent
    return [root / "LICENSE", *sorted((root / "docs").glob("*.md"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", nargs="*", type=Path, metavar="TEXT", help="files to read")
    parser.add_argument("--directory", type=Path, default=None, help="keep the files there (default: a temporary one)")
    parser.add_argument("--executor", default="processes", help="where to run (default: processes)")
    options = parser.parse_args()
    texts = [path.resolve() for path in options.texts or own_texts()]
    if not texts:
        sys.exit("no texts: name some files")

    with tempfile.TemporaryDirectory() as temporary:
        directory = (options.directory or Path(temporary)).resolve()
        directory.mkdir(parents=True, exist_ok=True)

        def file(name: str) -> File:
            return File(directory / name)

        with parsl.load(Config(executors=[executor(options.executor)])):
            lists = [
                words(inputs=[File(text)], outputs=[file(f"words{i}.txt")]).outputs[0] for i, text in enumerate(texts)
            ]
            sizes = [count(each) for each in lists]
            shared = lists[0]
            for i, each in enumerate(lists[1:]):
                shared = common(inputs=[shared, each], outputs=[file(f"shared{i}.txt")]).outputs[0]
            shown = longest(inputs=[shared], stdout=file("longest.txt"))

            for text, size in zip(texts, sizes, strict=True):
                print(f"{size.result():6} different words in {text.name}")
            print(f"{count(shared).result():6} in all {len(texts)} of them; the longest of these:")
            print("       ", " ".join(Path(shown.stdout.result()).read_text().split()[1::2]))


if __name__ == "__main__":
    main()
