"""Numbered run directories: ``runinfo/000``, ``runinfo/001``, ..."""

from __future__ import annotations

import logging
import os

logger = logging.getLogger("parsl.dataflow.rundirs")


def make_rundir(path: str | os.PathLike[str]) -> str:
    """Make the next numbered directory below `path` and return its absolute path.

    The number is one more than the highest that anything there has for a name, with at least three digits; names that
    are not numbers are passed over. Processes that start at the same time each get a directory of their own.
    (Parsl's names, "Run directory" in behaviour and layout.)

    - `path`: the directory of all runs, ``Config.run_dir``. Made if it is missing.

    Raises OSError when no directory can be made there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as runs:
    ...     [os.path.basename(make_rundir(runs)) for _ in range(2)]
    ['000', '001']
    """
    root = os.path.abspath(os.fspath(path))
    try:
        os.makedirs(root, exist_ok=True)
        number = _highest_number(root) + 1
        while True:
            made = os.path.join(root, f"{number:03}")
            try:
                os.mkdir(made)
            except FileExistsError:
                # another process was faster, or a file has the name
                number += 1
            else:
                break
    except OSError as e:
        text = (
            f"cannot make a run directory below {root} ({e.strerror or e}): "
            "give Config(run_dir=...) a directory that this process can write to"
        )
        logger.error(text)
        raise OSError(e.errno, text) from e
    logger.debug("Run directory is %s", made)
    return made


def _highest_number(root: str) -> int:
    with os.scandir(root) as entries:
        names = (e.name for e in entries if e.name.isascii() and e.name.isdigit())
        return max(map(int, names), default=-1)
