"""Config(initialize_logging=...) in its forms."""

from __future__ import annotations

import json
import logging
import pathlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.logconfigs import base
from parsl_on_dask.logconfigs.base import (
    LogConfig,
    oneshot_initialize_logging,
    oneshot_uninitialize_logging,
    start_logging,
)
from parsl_on_dask.logconfigs.file import FileLogging
from parsl_on_dask.logconfigs.json import JSONLogging
from parsl_on_dask.logconfigs.noop import NoopLogging

logger = logging.getLogger("parsl.some.module")


class Counting(LogConfig):
    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[pathlib.Path, str]] = []
        self.ended = 0

    def initialize_logging(self, *, log_dir: pathlib.Path, log_name: str) -> Callable[[], None]:
        self.begun.append((log_dir, log_name))

        def end() -> None:
            self.ended += 1

        return end


def test_true_writes_parsl_log(tmp_path: Path) -> None:
    end = start_logging(True, tmp_path)
    logger.debug("hello")
    end()
    logger.debug("too late")
    lines = (tmp_path / "parsl.log").read_text().splitlines()
    assert len(lines) == 1 and lines[0].endswith("DEBUG: hello")


@pytest.mark.parametrize("setting", [False, NoopLogging()], ids=repr)
def test_false_and_noop_write_nothing(setting: Any, tmp_path: Path) -> None:
    end = start_logging(setting, str(tmp_path))
    logger.error("hello")
    end()
    assert list(tmp_path.iterdir()) == []


def test_file_logging_with_a_format_and_a_level(tmp_path: Path) -> None:
    end = start_logging(FileLogging(format_string="> %(message)s", level=logging.WARNING), tmp_path / "made" / "here")
    logger.info("no")
    logger.warning("yes")
    end()
    assert (tmp_path / "made" / "here" / "parsl.log").read_text() == "> yes\n"


def test_json_logging_writes_an_object_a_line(tmp_path: Path) -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    end = start_logging(JSONLogging(), tmp_path)
    logging.getLogger("any.logger").info("one %s", 1)
    logger.info("two", extra={"parsl.task": 7, "parsl.odd": Silent(), "unrelated": 1})
    logger.warning(ValueError("three"))
    try:
        raise KeyError("four")
    except KeyError:
        logger.exception("failed")
    end()
    logger.info("too late")
    written = [json.loads(line) for line in (tmp_path / "parsl.jsonlog").read_text().splitlines()]
    ours = [w for w in written if w["name"] in ("any.logger", logger.name)]
    assert [w["msg"] for w in ours] == ["one %s", "two", "three", "failed"]
    one, two, _, failed = ours
    assert one["formatted"] == "one 1"
    place = {"name", "lineno", "funcname", "process", "processName", "thread", "threadName"}
    assert set(one) == place | {"created", "levelname", "msg", "formatted"}
    assert two["parsl.task"] == "7" and "no text" in two["parsl.odd"] and "unrelated" not in two
    assert "KeyError" in failed["formatted"]


def test_json_logging_gives_the_root_logger_its_level_back(tmp_path: Path) -> None:
    before = logging.getLogger().level
    end = start_logging(JSONLogging(), tmp_path)
    assert logging.getLogger().level == logging.DEBUG
    end()
    assert logging.getLogger().level == before


@pytest.mark.parametrize("wrong", [None, 1, "yes", FileLogging])
def test_anything_else_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="initialize_logging"):
        start_logging(wrong, tmp_path)


def test_a_configuration_begins_once_however_many_copies_of_it_there_are(tmp_path: Path) -> None:
    config = Counting()
    copy = pickle.loads(pickle.dumps(config))
    assert copy.uuid == config.uuid != Counting().uuid
    oneshot_initialize_logging(log_config=config, log_dir=tmp_path, log_name="parsl")
    oneshot_initialize_logging(log_config=copy, log_dir=tmp_path, log_name="worker")
    assert config.begun == [(tmp_path, "parsl")] and copy.begun == []
    oneshot_uninitialize_logging(log_config=copy)
    assert config.ended == 0
    oneshot_uninitialize_logging(log_config=config)
    assert config.ended == 1
    assert config.uuid not in base._initialized_log_contexts
    with pytest.raises(RuntimeError, match="more often"):
        oneshot_uninitialize_logging(log_config=config)


def test_a_configuration_can_begin_again(tmp_path: Path) -> None:
    config = Counting()
    for _ in range(2):
        start_logging(config, tmp_path)()
    assert len(config.begun) == config.ended == 2


def test_one_that_returns_nothing_to_end_it_with_is_refused(tmp_path: Path) -> None:
    class Forgetful(LogConfig):
        def initialize_logging(self, *, log_dir: pathlib.Path, log_name: str) -> Any:
            return None

    with pytest.raises(TypeError, match="Forgetful"):
        start_logging(Forgetful(), tmp_path)


@pytest.mark.parametrize("config", [FileLogging(), JSONLogging(), NoopLogging()], ids=repr)
def test_they_can_be_pickled(config: LogConfig) -> None:
    assert pickle.loads(pickle.dumps(config)).__dict__ == config.__dict__
