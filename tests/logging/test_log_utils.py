"""Log records go where a script sends them, until it undoes that."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from parsl_on_dask.log_utils import DEFAULT_FORMAT, set_file_logger, set_stream_logger

logger = logging.getLogger("parsl.some.module")


@pytest.fixture(autouse=True)
def _fresh_levels() -> Iterator[None]:
    names = ("parsl", "concurrent.futures", "other")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_a_stream_gets_the_records_of_all_modules_until_it_is_undone() -> None:
    text = io.StringIO()
    undo = set_stream_logger(stream=text)
    logger.debug("first")
    undo()
    logger.debug("second")
    undo()
    lines = text.getvalue().splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d parsl.some.module:\d+ \[DEBUG\]  first", lines[0])


def test_the_default_stream_is_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    undo = set_stream_logger()
    logger.info("hello")
    undo()
    assert "hello" in capsys.readouterr().err


def test_level_name_and_format() -> None:
    text = io.StringIO()
    undo = set_stream_logger("other", logging.WARNING, "%(levelname)s/%(message)s", text)
    logging.getLogger("other").info("no")
    logging.getLogger("other").error("yes")
    logger.error("another logger")
    undo()
    assert text.getvalue() == "ERROR/yes\n"


def test_exceptions_in_callbacks_of_futures_are_logged_too() -> None:
    text = io.StringIO()
    undo = set_stream_logger(stream=text)
    logging.getLogger("concurrent.futures").error("in a callback")
    undo()
    assert "in a callback" in text.getvalue()


def test_a_file_gets_parsls_fields(tmp_path: Path) -> None:
    path = tmp_path / "my.log"
    undo = set_file_logger(str(path))
    logger.info("größer")
    undo()
    pattern = r"\d+\.\d+ \S+ \S+ MainProcess-\d+ MainThread-\d+ parsl\.some\.module:\d+ test_\w+ INFO: größer\n"
    assert re.fullmatch(pattern, path.read_text(encoding="utf-8"))
    assert DEFAULT_FORMAT.startswith("%(created)f ")


def test_a_file_is_appended_to_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "my.log"
    for word in ("one", "two"):
        undo = set_file_logger(path, format_string="%(message)s")
        logger.info(word)
        undo()
    assert path.read_text() == "one\ntwo\n"
    assert not logging.getLogger("parsl").handlers or all(
        getattr(h, "baseFilename", "") != str(path) for h in logging.getLogger("parsl").handlers
    )


def test_levels_come_back_when_the_last_one_is_undone() -> None:
    parsl = logging.getLogger("parsl")
    parsl.setLevel(logging.ERROR)
    one, other = io.StringIO(), io.StringIO()
    undo_one = set_stream_logger(stream=one, level=logging.INFO)
    undo_other = set_stream_logger(stream=other)
    undo_one()
    logger.debug("still")
    undo_other()
    assert "still" in other.getvalue()
    assert parsl.level == logging.ERROR


def test_a_level_that_somebody_else_set_stays() -> None:
    undo = set_stream_logger(stream=io.StringIO())
    logging.getLogger("parsl").setLevel(logging.CRITICAL)
    undo()
    assert logging.getLogger("parsl").level == logging.CRITICAL
