"""What each try of a run's tasks did when, in a file of the run's directory: ``Config(trace=True)``.

Tries are written as they come, some thousand at a time, as pickled lists of tuples: everything else costs more than the
calls. :mod:`parsl_on_dask.monitoring.trace` reads them.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Record
    from parsl_on_dask.lanes.call import Outcome

#: Name of the file.
FILE = "trace"
#: How many tries are written together.
TOGETHER = 4096


class Row(NamedTuple):
    """One try.

    Times are seconds since 1970: `since`, from when on it waited, by the clock of the script; `began` and `ended` by
    that of the worker, 0 where nobody said.
    """

    task: int
    number: int
    app: str
    executor: str
    worker: str
    host: str
    since: float
    began: float
    ended: float
    failed: bool
    depends: tuple[int, ...]


class RunTrace:
    """Writes the tries of one run. Used by the kernel's loop only, and at its end."""

    def __init__(self, run_dir: str) -> None:
        self.rows: list[tuple[Any, ...]] = []
        self.file: BinaryIO | None = open(os.path.join(run_dir, FILE), "wb")  # noqa: SIM115 (until close)

    def add(self, record: Record, outcome: Outcome) -> None:
        """A try has come back from its lane."""
        depends = record.depends
        since = record.try_launched if record.try_id else record.invoked
        self.rows.append(
            (
                record.id,
                record.try_id,
                record.func_name,
                record.executor,
                outcome.worker,
                outcome.host,
                outcome.began if since is None else since,
                outcome.began,
                outcome.ended,
                outcome.error is not None,
                _numbers(depends) if depends else (),
            )
        )
        if len(self.rows) >= TOGETHER:
            self.flush()

    def flush(self) -> None:
        rows, self.rows = self.rows, []
        if rows and self.file is not None:
            pickle.dump(rows, self.file, pickle.HIGHEST_PROTOCOL)

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        file, self.file = self.file, None
        if file is not None:
            file.close()


def _numbers(depends: Any) -> tuple[int, ...]:
    return tuple([number for f in depends if (number := getattr(f, "tid", None)) is not None])


def read(run_dir: str) -> Iterator[Row]:
    """The tries that a run has written so far.

    Raises FileNotFoundError when it writes none.
    """
    with open(os.path.join(run_dir, FILE), "rb") as file:
        while True:
            try:
                rows = pickle.load(file)
            except (EOFError, pickle.UnpicklingError):  # the last ones are not written to their end
                return
            yield from (Row(*row) for row in rows)
