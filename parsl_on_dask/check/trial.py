"""The process in which a file is run as far as its first ``parsl.load()``, for ``check``."""

from __future__ import annotations

import ast
import asyncio
import importlib.machinery
import inspect
import json
import linecache
import os
import sys
import threading
import time
import traceback
import warnings
from dataclasses import asdict
from types import CodeType, ModuleType
from typing import Any, NoReturn

from parsl_on_dask.check.plan import Plan, explain
from parsl_on_dask.check.reading import Unit, makes_a_config, units_of
from parsl_on_dask.common import check_notes
from parsl_on_dask.common.overrides import CHECKING, ClusterOverride, set_cluster_override
from parsl_on_dask.errors import NoDataFlowKernelError, ParslError
from parsl_on_dask.old_spellings.legacy import reported, without_effect
from parsl_on_dask.remote.sidefiles import write_private

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: Statements that are also run behind one that failed: they define things.
_DEFINING = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


class _Trial:
    """What is known of the file that this process runs; children of the process have a copy of it."""

    def __init__(self, path: str, units: list[Unit]) -> None:
        self.root = os.getpid()
        self.path = path
        self.units = units
        self.places = {unit.place for unit in units}
        self.caught: list[warnings.WarningMessage] = []
        self.refused: list[str] = []
        self.unseen: list[str] = []
        self.names: dict[str, Any] = {}

    def failed(self, error: BaseException) -> None:
        """Note why the file went no farther, or that something of it is refused."""
        where = _place(error, self.places, self.path)
        if _is_refusal(error):
            self.refused.append(f"{where}: {type(error).__name__}: {error}")
        elif isinstance(error, FileNotFoundError) and _starts_a_program(error):
            check_notes.note(f"{where}: there is no command {error.filename}; what follows from it was not looked at")
        else:
            self.unseen.append(f"{where}: could not be run this far, because {_why(error)}")


_trial: _Trial | None = None


def main() -> None:
    """Run the file that the command line names, and write down what was found."""
    global _trial
    order = json.loads(sys.argv[1])
    path = order["path"]
    if order["cluster"] is not None:
        set_cluster_override(ClusterOverride(**order["cluster"]))
    from parsl_on_dask.importing import alias

    alias.install()
    sys.argv = [path, *order["arguments"]]
    sys.path[:1] = [os.path.dirname(os.path.realpath(path))]
    try:
        units = units_of(path)
    except (OSError, ValueError) as e:
        _write({**asdict(Plan(unseen=[str(e)])), "labels": []})
        return
    trial = _trial = _Trial(path, units)
    main_module = ModuleType("__main__")
    if len(units) == 1 and units[0].place == path:
        main_module.__file__ = os.path.abspath(path)
        main_module.__loader__ = importlib.machinery.SourceFileLoader("__main__", main_module.__file__)
    sys.modules["__main__"] = main_module
    trial.names = main_module.__dict__
    # not catch_warnings(): what other threads see has to be taken, too
    warnings.simplefilter("always")
    warnings.showwarning = _caught
    going = True
    for unit in units:
        going = _run(unit, trial, going)
    _wait_for_others()
    _tell(None, "")


def _caught(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
    if _trial is not None:
        _trial.caught.append(warnings.WarningMessage(message, category, filename, lineno, file, line))
    if str(message) not in reported:
        print(f"{filename}:{lineno}: {category.__name__}: {message}", file=sys.stderr)


def _run(unit: Unit, trial: _Trial, going: bool) -> bool:
    """Run a text; only what it defines, when an earlier one has failed. Whether all of it could be run."""
    names = trial.names
    text = unit.text if isinstance(unit.text, str) else None
    if text is not None:
        linecache.cache[unit.place] = (len(text), None, text.splitlines(True), unit.place)
    behind = 0
    if going:
        try:
            flags = 0 if text is None else ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            _execute(compile(unit.text, unit.place, "exec", flags, True), names)
            return True
        except (Exception, SystemExit) as e:
            trial.failed(e)
            if isinstance(e, SyntaxError) and e.filename == unit.place:
                return False
            behind = _line(e, unit.place)
    try:
        tree = ast.parse(unit.text, unit.place)
    except (SyntaxError, ValueError):
        return False
    for node in tree.body:
        if node.lineno <= behind or not isinstance(node, _DEFINING):
            continue
        try:
            _execute(compile(ast.Module([node], []), unit.place, "exec", _futures(tree), True), names)
        except NoDataFlowKernelError:  # an app, which is not to run
            pass
        except (Exception, SystemExit) as e:
            if _is_refusal(e) or isinstance(node, (ast.Import, ast.ImportFrom)):
                trial.failed(e)  # all else may follow from what failed before
    return False


def _execute(code: CodeType, names: dict[str, Any]) -> None:
    if code.co_flags & inspect.CO_COROUTINE:  # a cell with an await
        asyncio.run(eval(code, names))
    else:
        exec(code, names)


def _futures(tree: ast.Module) -> int:
    import __future__

    named = [a.name for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__" for a in n.names]
    return sum({getattr(__future__, name).compiler_flag for name in named})


def _wait_for_others() -> None:
    """Wait for threads and child processes of the file, as the end of a program does: they may load a Config."""
    import multiprocessing

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    for child in multiprocessing.active_children():
        child.join()


def reached(config: Any) -> NoReturn:
    """The file loads a Config: write down what that becomes, and end all its processes."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_HERE + os.sep):
        frame = frame.f_back
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    _tell(config, place)
    _end_all()


def _tell(loaded: Any, place: str) -> None:
    """Write down what was found, unless another thread or process does."""
    try:
        os.close(os.open(os.environ[CHECKING] + ".taken", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        while True:  # the other one ends this process
            time.sleep(1)
    trial = _trial or _Trial(place.rpartition(":")[0], [])
    found = Plan(refused=trial.refused, unseen=trial.unseen)
    configs: list[tuple[str, Any]] = []
    if loaded is not None:
        try:
            loaded.validate()  # also what was set after it was made
            configs.append((f"loaded at {place}", loaded))
        except ParslError as e:
            found.refused.append(f"{place}: {type(e).__name__}: {e}")
    configs += _defined(trial, loaded)
    labels = [e.label for _, config in configs[: 1 if loaded is not None else None] for e in config.executors]
    for name, config in configs:
        part = explain(config)
        for plan in part.executors:
            plan.config = name
        found.executors += part.executors
        found.not_here += [line if len(configs) == 1 else f"{name}, {line}" for line in part.not_here]
        found.refused += part.refused if len(configs) == 1 else [f"{name}: {line}" for line in part.refused]
    found.not_here[:0] = check_notes.notes
    if not configs and not found.refused and not found.unseen:
        without = " without what this machine does not have" if found.not_here else ""
        found.unseen.append(f"{trial.path} loads no Config, and defines none{without}")
    old = [w for w in trial.caught if str(w.message) in reported]
    found.old = [f"{w.filename}:{w.lineno}: {w.message}" for w in old]
    found.without_effect = list(without_effect)
    _write({**asdict(found), "labels": labels})


def _defined(trial: _Trial, loaded: Any) -> list[tuple[str, Any]]:
    """The Configs of a file beside the one that it loads, by name."""
    from parsl_on_dask.config import Config

    names = trial.names
    found: dict[int, tuple[str, Any]] = {}
    for name, value in list(names.items()):
        if isinstance(value, Config) and value is not loaded:
            found.setdefault(id(value), (name, value))
    if loaded is None:  # else the file has said itself which one it takes
        for unit in trial.units:
            try:
                tree = ast.parse(unit.text)
            except (SyntaxError, ValueError):
                continue
            for node in tree.body:
                if makes_a_config(node):
                    name = node.name  # type: ignore[attr-defined]
                    try:
                        value = names[name]()
                    except (Exception, SystemExit) as e:
                        trial.failed(e)
                    else:
                        if isinstance(value, Config):
                            found.setdefault(id(value), (f"{name}()", value))
    return list(found.values())


def _write(found: dict[str, Any]) -> None:
    write_private(os.environ[CHECKING], json.dumps(found))


def _end_all() -> NoReturn:
    """End this process, and all others of the file, at once."""
    import psutil

    root = _trial.root if _trial is not None else None
    if root is None:  # a program that the file has started
        root = os.getpid()
        for parent in psutil.Process().parents():
            try:
                if parent.environ().get(CHECKING) != os.environ[CHECKING]:
                    break
            except psutil.Error:
                break
            root = parent.pid
    try:
        top = psutil.Process(root)
        for one in [*top.children(recursive=True), top]:
            if one.pid != os.getpid():
                one.kill()
    except psutil.Error:
        pass
    sys.stdout.flush()
    os._exit(0)


# -- why a file went no farther -------------------------------------------------------------------------------------


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


def _starts_a_program(error: BaseException) -> bool:
    """Whether it was raised by the standard library where that starts another program."""
    return any(os.path.basename(frame.filename) == "subprocess.py" for frame in _frames(error))


def _place(error: BaseException, places: set[str], path: str) -> str:
    """The last line of the file itself that an error went through."""
    if isinstance(error, SyntaxError) and error.filename in places:
        return f"{error.filename}:{error.lineno}"
    own = [f for f in _frames(error) if f.filename in places]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else path


def _line(error: BaseException, place: str) -> int:
    """The line of a text at which it was left."""
    own = [f.lineno or 0 for f in _frames(error) if f.filename == place and f.name == "<module>"]
    return own[0] if own else 0


def _is_refusal(error: BaseException) -> bool:
    """Whether it is this package that does not take what a file says, and not something of the file's own."""
    if isinstance(error, ParslError):
        return True
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] in ("parsl", "parsl_on_dask")
    frames = _frames(error)
    if not frames or isinstance(error, (OSError, SystemExit)):
        return False
    inside = os.path.dirname(os.path.abspath(frames[-1].filename))
    return inside.startswith(_HERE) and not frames[-1].filename.endswith(("addresses.py", "trial.py"))


def _why(error: BaseException) -> str:
    """What stopped a file, for reasons of its own, and what to do."""
    frames = _frames(error)
    last = frames[-1] if frames else None
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SystemExit):
        return (
            f"the file left there with sys.exit({error.code!r}). If it needs arguments, give them behind its name: "
            "check FILE ARGUMENTS"
        )
    if isinstance(error, ModuleNotFoundError):
        return f"there is no module {error.name!r} here: install it in this environment, or check where it is"
    if isinstance(error, KeyError) and last is not None and last.filename in (os.__file__, "<frozen os>"):
        name = error.args[0]
        return f"the environment variable {name} is not set: write {name}=... python -m parsl_on_dask check FILE"
    if isinstance(error, EOFError):
        return f"there is nothing to read on standard input while a file is checked ({text})"
    if isinstance(error, OSError):
        return f"{text}: check the file where what it needs is there"
    return text
