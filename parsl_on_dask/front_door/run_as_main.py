"""Run a program as ``__main__``, the way the Python interpreter itself does.

The standard library's ``runpy`` takes the program's module out of ``sys.modules`` again when the
program's last line has run. A Parsl program goes on after that line: its kernel is cleaned up at
interpreter exit, threads deliver results, and functions are pickled by the name of their module.
So the program's module is put in place once, and stays.

``args`` is ``sys.argv[1:]`` of the program everywhere. What the program does not catch is raised, with a traceback that
begins with the program's own first frame; so is its ``SystemExit``. A program that cannot be started is a
``SystemExit``, too, after a message: code 2 for a file, and 1 for a module.
"""

from __future__ import annotations

import builtins
import importlib.machinery
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType, TracebackType
from typing import Any, NoReturn

__all__ = ["run_code", "run_module", "run_script", "run_stdin"]


@dataclass(frozen=True)
class _Program:
    """Code, and what its module's attributes have to be."""

    code: CodeType
    attributes: dict[str, Any]
    argv0: str


def run_script(path: str, args: Sequence[str] = ()) -> None:
    """Run a Python file, or a folder or zip file that holds a ``__main__.py``, as ``python PATH`` does.

    The folder of the file becomes ``sys.path[0]``.
    """

    def load() -> _Program:
        where = os.path.abspath(path)
        importer = pkgutil.get_importer(where)
        if importer is not None:  # a folder or an archive
            return _load_container(importer, path, where)
        try:
            with open(where, "rb") as file:
                source = file.read()
        except OSError as error:
            _cannot_start(f"can't open file {where!r}: {error.strerror or error}; -m NAME runs a module", 2)
        _set_path0(os.path.dirname(os.path.realpath(where)))
        attributes: dict[str, Any] = {"__file__": where, "__cached__": None}
        if where.endswith(".pyc"):
            compiled = importlib.machinery.SourcelessFileLoader("__main__", where)
            code = compiled.get_code("__main__")
            assert code is not None  # a file loader answers with code or raises
            return _Program(code, attributes | {"__loader__": compiled}, path)
        loader = importlib.machinery.SourceFileLoader("__main__", where)
        return _Program(_compile(source, where), attributes | {"__loader__": loader}, path)

    _run(load, args)


def run_module(name: str, args: Sequence[str] = ()) -> None:
    """Run a module, or a package's ``__main__``, as ``python -m NAME`` does.

    ``sys.path[0]`` is the current folder meanwhile.
    """

    def load() -> _Program:
        _set_path0(os.getcwd())
        sys.argv[0] = "-m"  # what Python shows to packages that are imported on the way
        spec = _find_module(name)
        code = _code(spec)
        if code is None:
            _cannot_start(f"no code for the module {name!r}: it is not written in Python ({spec.origin})", 1)
        attributes = {"__spec__": spec, "__package__": spec.parent, "__loader__": spec.loader}
        if spec.has_location:
            attributes |= {"__file__": spec.origin, "__cached__": spec.cached}
        return _Program(code, attributes, spec.origin or name)

    _run(load, args)


def run_code(source: str, args: Sequence[str] = ()) -> None:
    """Run a string, as ``python -c SOURCE`` does."""

    def load() -> _Program:
        _set_path0("")
        return _Program(_compile(source, "<string>"), {}, "-c")

    _run(load, args)


def run_stdin(args: Sequence[str] = ()) -> None:
    """Run what standard input holds, as ``python -`` does."""

    def load() -> _Program:
        _set_path0("")
        source = sys.stdin.buffer.read()
        return _Program(_compile(source, "<stdin>"), {"__file__": "<stdin>", "__cached__": None}, "-")

    _run(load, args)


def _run(load: Any, args: Sequence[str]) -> None:
    try:
        sys.argv = ["", *args]
        program: _Program = load()
        sys.argv[0] = program.argv0
        exec(program.code, _new_main(program.attributes).__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        # Python itself has to see it leave uncaught: that is what decides between exit code 1, the
        # death by SIGINT after a KeyboardInterrupt, and an interactive prompt (python -i).
        _hide_our_frames(error.__traceback__)
        raise


def _new_main(attributes: dict[str, Any]) -> ModuleType:
    """Put a fresh ``__main__`` in ``sys.modules``, with the attributes that Python gives to a program's module."""
    main = ModuleType("__main__")
    namespace = main.__dict__
    namespace["__builtins__"] = builtins
    namespace["__loader__"] = importlib.machinery.BuiltinImporter
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    namespace.update(attributes)
    # Functions of the module that was __main__ may still be running; its namespace must outlive them.
    _previous.append(sys.modules.get("__main__"))
    sys.modules["__main__"] = main
    return main


_previous: list[ModuleType | None] = []


def _hide_our_frames(trace: TracebackType | None) -> None:
    """Have the uncaught exception shown with the traceback that it would have had under plain Python."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    shown = sys.excepthook  # the program's own, if it has set one

    def excepthook(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        sys.excepthook = shown
        error.__traceback__ = trace
        shown(kind, error, trace)

    sys.excepthook = excepthook


def _compile(source: str | bytes, filename: str) -> CodeType:
    code: CodeType = compile(source, filename, "exec", dont_inherit=True)
    return code


def _load_container(importer: Any, path: str, where: str) -> _Program:
    spec = importer.find_spec("__main__", None)
    code = _code(spec) if spec is not None else None
    if spec is None or code is None:
        _cannot_start(f"can't find '__main__' module in {where!r}: give the path of a script in it", 1)
    _set_path0(where, always=True)
    attributes = {"__spec__": spec, "__package__": "", "__loader__": spec.loader}
    return _Program(code, attributes | {"__file__": spec.origin, "__cached__": spec.cached}, path)


def _code(spec: importlib.machinery.ModuleSpec) -> CodeType | None:
    # Not by isinstance: zip files' loaders have the method without being registered for its class.
    get_code = getattr(spec.loader, "get_code", None)
    code: CodeType | None = get_code(spec.name) if get_code is not None else None
    return code


def _find_module(name: str) -> importlib.machinery.ModuleSpec:
    if name.startswith("."):
        _cannot_start(f"{name!r} is a relative name: give the module's full name, as 'package{name}'", 1)
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # a package on the way needs something else that is missing
        spec = None
    except ValueError as error:  # the name is empty, or of a module without __spec__
        _cannot_start(f"can't run {name!r} as a module: {error}", 1)
    if spec is None:
        hint = f" (try {name[:-3]!r} instead of {name!r} as the name)" if name.endswith(".py") else ""
        _cannot_start(f"no module named {name!r} in {os.getcwd()} or anywhere on sys.path{hint}", 1)
    if spec.submodule_search_locations is None:
        return spec
    main = importlib.util.find_spec(f"{name}.__main__")
    if main is None:
        _cannot_start(f"no module named '{name}.__main__': {name!r} is a package and cannot be run itself", 1)
    return main


def _set_path0(folder: str, always: bool = False) -> None:
    # With -P or -I, Python leaves sys.path alone for scripts, modules and code, and so do we.
    if getattr(sys.flags, "safe_path", bool(sys.flags.isolated)):
        if always:
            sys.path.insert(0, folder)
    else:
        sys.path[0:1] = [folder]


def _cannot_start(message: str, exitcode: int = 2) -> NoReturn:
    print(f"parsl_on_dask: {message}", file=sys.stderr)
    raise SystemExit(exitcode)
