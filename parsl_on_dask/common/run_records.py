"""The runs of a user that do not end with a terminal: one file for each, which any process may read.

A record is a JSON file in a folder of the user's, and a copy of it lies in the run directory of the newest kernel. Who
keeps a run touches its record now and then; so it is known on other machines, too, whether it is still there.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields, replace
from typing import Any

from parsl_on_dask.common import overrides
from parsl_on_dask.common.processes_here import alive, boot
from parsl_on_dask.common.run_record import RunRecord, RunState, UnknownRun, end_of, find
from parsl_on_dask.remote.locks import locked

logger = logging.getLogger("parsl.common.run_records")

#: Seconds between two beats of who keeps a run, and those after which a run of another machine counts as lost.
BEAT, LOST = 20.0, 180.0
#: Records of runs that have ended are kept for so many seconds, and so many of them.
KEPT_FOR, KEPT = 30 * 86400.0, 100
#: What copies of records are called in a run directory: of a run, and of what stays of one.
COPY, COPY_OF_STAYS = "run.json", "what-stays.json"

__all__ = ["BEAT", "LOST", "RunRecord", "RunState", "UnknownRun", "beat", "create", "find", "folder", "path_of"]
__all__ += ["read", "read_all", "remove", "state_of", "update"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}\Z", re.ASCII)


# -- files ---------------------------------------------------------------------------------------------------------


def folder() -> str:
    """The folder of this user's records; made when it is missing.

    Raises OSError when it can be neither made nor used.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".local", "state")
    path = os.path.join(base, "parsl_on_dask", "runs")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as e:
        raise OSError(
            e.errno,
            f"no folder for records of runs can be made at {path} ({e.strerror}): "
            "let XDG_STATE_HOME name a folder that you can write to",
        ) from e
    return path


def path_of(name: str, where: str = "") -> str:
    """The file of a record, in this user's folder or in another one."""
    return os.path.join(where or folder(), name + ".json")


def create(name: str = "", *, stem: str = "run", where: str = "", **what: Any) -> RunRecord:
    """Make a record, and remove the oldest ones of runs that have ended.

    - `name`: default: the stem with four random digits. The name of a run that is over may be used again.
    - `where`: the folder. Default: this user's.
    - `**what`: fields of :class:`RunRecord`. The host is this one unless it is given.

    Raises ValueError when the name cannot be one, or a run that is not over has it.

    Examples
    --------
    >>> from parsl_on_dask.common.processes_here import this_process
    >>> with tempfile.TemporaryDirectory() as somewhere:
    ...     made = create("nightly", where=somewhere, script="a.py", process=this_process())
    ...     state_of(made).word, state_of(update("nightly", where=somewhere, ended=time.time(), returncode=3)).text
    ('running', 'ended with exit code 3')
    """
    where = where or folder()
    if name and not _NAME.match(name):
        raise ValueError(f"{name!r} cannot be the name of a run: write letters, digits, dots, '-' and '_'")
    _forget_old(where)
    place = {} if "host" in what else {"host": host(), "boot": boot()}
    with _locked(where):
        if name:
            there = _load(path_of(name, where))
            if there is not None and not state_of(there).over:
                raise ValueError(f"a run named {name} is there already ({state_of(there).text}): choose another name")
        else:
            stem = re.sub(r"[^\w.-]", "_", stem, flags=re.ASCII).lstrip("_.-")[:60] or "run"
            while not name or os.path.exists(path_of(name, where)):
                name = f"{stem}-{secrets.token_hex(2)}"
        record = RunRecord(name, **{"began": time.time(), **place, **what}, folder=where)
        _write(record)
    return record


def update(name: str, *, where: str = "", add_run_dirs: Sequence[str] = (), **what: Any) -> RunRecord:
    """Change fields of a record, and return what it is now. Others may change other fields at the same time.

    - `name`: the whole name.
    - `where`: the folder. Default: this user's.
    - `add_run_dirs`: run directories that are new to it, that of the newest kernel last.
    - `**what`: fields of :class:`RunRecord`.

    Raises UnknownRun when there is no such record, or it was removed.
    """
    where = where or folder()
    with _locked(where):
        record = _load(path_of(name, where))
        if record is None:
            raise UnknownRun(f"the record of the run {name} is not in {where} any more")
        added = [run_dir for run_dir in dict.fromkeys(add_run_dirs) if run_dir not in record.run_dirs]
        if added:
            what["run_dirs"] = [*record.run_dirs, *added]
            for copy in _copies(record):  # the next one is in the new directory
                with suppress(OSError):
                    os.unlink(copy)
        record = replace(record, **what)
        _write(record)
    return record


def host() -> str:
    """What this machine is called in records."""
    return socket.gethostname()


def machine() -> tuple[str, str]:
    """Host and boot of this machine, as records have them."""
    return host(), boot()


def again(record: RunRecord) -> RunRecord:
    """A record as it is now; as it was, when it is gone."""
    return _load(_file(record)) or record


def age(record: RunRecord) -> float | None:
    """Seconds since a record was written or touched; None when that cannot be told."""
    return age_of(_file(record))


def note_run_dirs(*run_dirs: str) -> None:
    """Note run directories in the record that is about this process, if there is one; that of the kernel last."""
    mine = overrides.run_record()
    if mine is None:
        return
    try:
        update(mine[0], where=mine[1], add_run_dirs=run_dirs)
    except (OSError, UnknownRun) as e:
        logger.warning("`ps` is not told of %s: %s", run_dirs[-1], e)


def remove(name: str, *, where: str = "") -> None:
    """Remove a record, and its copy. Quiet when it is gone already."""
    where = where or folder()
    record = _load(path_of(name, where))
    for path in (path_of(name, where), *_copies(record)):
        with suppress(OSError):
            os.unlink(path)


def beat(name: str, *, where: str = "") -> None:
    """Say that a run is there, by the time of its file. Quiet when the record is gone."""
    record = _load(path_of(name, where or folder()))
    for path in () if record is None else (path_of(name, record.folder), *_copies(record)):
        with suppress(OSError):
            os.utime(path)  # the time is that of the file system


def read(name: str, *, where: str = "") -> RunRecord | None:
    """A record by its whole name; None when there is none."""
    return _load(path_of(name, where or folder()))


def read_at(path: str) -> RunRecord | None:
    """A record by its file; None when there is none."""
    return _load(path)


def read_all(*, where: str = "", here: str = "") -> list[RunRecord]:
    """All records of this user, the oldest first: those of the folder, and the copies in run directories.

    - `where`: the folder. Default: this user's.
    - `here`: a directory with a ``runinfo``, or with numbered run directories.
    """
    where = where or folder()
    found: dict[tuple[str, float | None], RunRecord] = {}
    paths = [os.path.join(where, entry) for entry in _listed(where) if entry.endswith(".json")]
    for runs in (os.path.join(here, "runinfo"), here) if here else ():
        numbered = [os.path.join(runs, entry) for entry in _listed(runs) if entry.isdigit()]
        paths += [os.path.join(run_dir, copy) for run_dir in numbered for copy in (COPY, COPY_OF_STAYS)]
    for path in paths:
        record = _load(path)
        if record is not None:
            found.setdefault((record.name, record.began), record)
    return sorted(found.values(), key=lambda record: record.began or 0.0)


# -- states --------------------------------------------------------------------------------------------------------


def state_of(record: RunRecord) -> RunState:
    """How a run is: by its processes on this machine, and by the age of its record on others."""
    if record.ended is not None:
        return end_of(record)
    if record.kind == "job" and not record.host:
        return RunState("pending", f"pending, {record.system} job {record.job}")
    there = RunState("stays", "stays") if record.kind == "stays" else RunState("running", "running")
    if (record.host, record.boot) == machine():
        if alive(record.process) or alive(record.keeper):
            return there
        # its keeper may have written the end while we looked
        newer = again(record)
        if newer.ended is not None:
            return end_of(newer)
        if record.kind == "stays" and not os.path.exists(_file(record)):  # it has taken its record along
            return RunState("ended", "ended")
        return RunState("lost", "lost: its processes are gone")
    silent = age(record)
    if silent is not None and silent > LOST:
        return RunState("lost", f"lost: nothing was heard from {record.host} for {silent / 60:.0f} min")
    return there


def age_of(path: str, now: float | None = None) -> float | None:
    """Seconds since a file was touched, by the clock of its file system; None when that cannot be told.

    `now`: what that clock says, if it was looked at before.
    """
    try:
        return (clock_of(os.path.dirname(path)) if now is None else now) - os.stat(path).st_mtime
    except OSError:
        return None


def clock_of(directory: str) -> float:
    """The time by the clock of a directory's file system, which may be another machine's."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".now-") as probe:
        return os.fstat(probe.fileno()).st_mtime


# -- inside --------------------------------------------------------------------------------------------------------


def _locked(where: str) -> Any:
    return locked(os.path.join(where, ".lock"))


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _copies(record: RunRecord | None) -> list[str]:
    return [os.path.join(record.run_dir, _copy(record))] if record is not None and record.run_dir else []


def _copy(record: RunRecord) -> str:
    return COPY_OF_STAYS if record.kind == "stays" else COPY


def _file(record: RunRecord) -> str:
    path = path_of(record.name, record.folder)
    return path if os.path.exists(path) else os.path.join(record.folder, _copy(record))


_FIELDS = {f.name for f in fields(RunRecord)} - {"folder"}


def _load(path: str) -> RunRecord | None:
    """Read a record; None for what is none, or somebody else's."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return None
            values = json.load(file)
        # a later release may have more fields
        return RunRecord(**{k: v for k, v in values.items() if k in _FIELDS}, folder=os.path.dirname(path))
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _write(record: RunRecord) -> None:
    text = json.dumps({k: v for k, v in asdict(record).items() if k != "folder"}, indent=1)
    for path in (path_of(record.name, record.folder), *_copies(record)):
        part = f"{path}.{secrets.token_hex(4)}.part"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
            os.replace(part, path)
        except OSError as e:
            with suppress(OSError):
                os.unlink(part)
            if path != path_of(record.name, record.folder):  # the run directory went; the record is what counts
                continue
            raise OSError(e.errno, f"the record {path} cannot be written ({e.strerror})") from e


def _forget_old(where: str) -> None:
    over = [record for record in read_all(where=where) if state_of(record).over]
    now = clock_of(where)
    ages = {record.name: age_of(path_of(record.name, where), now) or 0.0 for record in over}
    for place, record in enumerate(sorted(over, key=lambda r: ages[r.name])):
        # one that seems to be lost may be heard of again
        if ages[record.name] > KEPT_FOR or (place >= KEPT and record.ended is not None):
            with suppress(OSError):
                os.unlink(path_of(record.name, where))
