"""The log that is written later says what a log written at once would say."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

import parsl_on_dask as parsl
from parsl_on_dask.executors import ThreadPoolExecutor
from parsl_on_dask.logconfigs.buffered import BufferedFileHandler
from tests import interpreters

LINE = re.compile(
    r"^\d+\.\d{6} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+-\d+ .+-\d+ parsl[.\w]*:\d+ \S+ (DEBUG|INFO|WARNING): "
)


def double(x: int) -> int:
    return 2 * x


def run_and_read(tmp_path: Path) -> list[str]:
    config = parsl.Config(executors=[ThreadPoolExecutor()], run_dir=str(tmp_path))
    with parsl.load(config) as kernel:
        assert kernel.submit(double, 4).result(30) == 8
    return (Path(kernel.run_dir) / "parsl.log").read_text().splitlines()


def test_task_lines_are_there_after_cleanup(tmp_path: Path) -> None:
    lines = run_and_read(tmp_path)
    for text in (
        "Task 0 submitted for App double, not waiting on any dependency",
        "Task 0 initializing state to pending",
        "Task 0 changing state from pending to launched",
        "Parsl task 0 try 0 launched on executor threads",
        "Task 0 changing state from launched to exec_done",
    ):
        found = [line for line in lines if line.endswith(text)]
        assert len(found) == 1, text
        assert LINE.match(found[0]), found[0]


def test_other_readers_get_records_with_extras(tmp_path: Path) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logging.getLogger("parsl").addHandler(handler)
    try:
        lines = run_and_read(tmp_path)
    finally:
        logging.getLogger("parsl").removeHandler(handler)
    bound = [r for r in records if hasattr(r, "parsl.executor")]
    assert [getattr(r, "parsl.task") for r in bound] == [0]
    assert [line for line in lines if line.endswith("Parsl task 0 try 0 launched on executor threads")]


def test_arguments_are_rendered_when_logged(tmp_path: Path) -> None:
    handler = BufferedFileHandler(tmp_path / "a.log")
    changing = [1]
    handler.handle(logging.makeLogRecord({"msg": "list %s", "args": (changing,), "levelno": 20}))
    changing.append(2)
    handler.close()
    assert (tmp_path / "a.log").read_text() == "list [1]\n"


def test_a_forked_child_does_not_write_its_parents_lines(tmp_path: Path) -> None:
    program = (
        "import logging, os, sys\n"
        "from parsl_on_dask.logconfigs.buffered import BufferedFileHandler\n"
        "h = BufferedFileHandler(sys.argv[1]); r = logging.makeLogRecord({'msg': 'once'})\n"
        "h.handle(r); pid = os.fork()\n"
        "if pid == 0: h.handle(r); h.close(); os._exit(0)\n"
        "os.waitpid(pid, 0); h.close()\n"
    )
    path = tmp_path / "a.log"
    interpreters.run([sys.executable, "-c", program, str(path)], check=True, env=dict(os.environ))
    assert path.read_text() == "once\n"


def test_a_full_disk_does_not_stop_anything() -> None:
    handler = BufferedFileHandler("/dev/full")
    handler.handle(logging.makeLogRecord({"msg": "lost"}))
    handler.flush()
    try:
        handler.close()
    except OSError as error:  # the file object may try once more
        raise AssertionError("close() must not raise") from error
