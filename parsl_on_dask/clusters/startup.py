"""What a node starts with: the files, and the commands that run them.

Nothing of ours can be taken for granted there. A shell text chooses the Python, by
:mod:`parsl_on_dask.providers.pythons`. A Python text, which any version can read, looks whether that Python fits, gets
hold of this package, and goes on in it. A Python with packages of its own finds all of them before anything that the
script imports, and nothing of the script's site-packages: this package comes to it as a zip file.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys
import sysconfig
import zipfile
from typing import Any, NamedTuple

from parsl_on_dask.providers.job_scripts.preamble import PYTHON_FILE, SHELL_FILE
from parsl_on_dask.providers.pythons import VARIABLE, choice, words
from parsl_on_dask.remote.sidefiles import replacing

_PYTHON = '''"""Starts the workers of this node. Any Python can read this, so one that does not fit can say so."""

import os
import sys
import time

ORDERS, ARCHIVE, LATE = sys.argv[1], {archive!a}, {late!a}
SCRIPT = {script!a}


def arrives(path):
    """Whether a file is there, or comes in time: network file systems may show new files late."""
    until = time.time() + LATE
    while not os.path.exists(path):
        if time.time() > until:
            return False
        try:
            os.listdir(os.path.dirname(path))  # so that NFS asks its server again
        except OSError:
            pass
        time.sleep(0.5)
    return True


def is_the_scripts():
    """Whether this is the Python environment of the script, and not one of the same name elsewhere."""
    try:
        found = os.stat(SCRIPT["folder"] + "/parsl_on_dask/__init__.py")
    except OSError:
        return False
    return [os.path.realpath(sys.prefix), found.st_size, int(found.st_mtime)] == SCRIPT["marks"]


def misfit():
    """Why this Python cannot run the script's apps."""
    if "%d.%d" % sys.version_info[:2] != SCRIPT["version"]:
        return "functions cannot be sent between minor versions of Python"
    try:
        import distributed
    except Exception as e:
        return "distributed cannot be imported there (%s: %s)" % (type(e).__name__, e)
    if distributed.__version__ != SCRIPT["distributed"]:
        note = "parsl_on_dask: distributed is %s here, and %s where the script runs\\n"
        sys.stderr.write(note % (distributed.__version__, SCRIPT["distributed"]))
    return None


def start():
    os.environ.pop({variable!a}, None)
    if sys.argv[0] != "-c":
        # a module of the user may have the name of this file
        here = os.path.dirname(os.path.realpath(sys.argv[0]))
        sys.path[:] = [p for p in sys.path if os.path.realpath(p) != here]
    if ORDERS != "-" and not arrives(ORDERS):
        sys.exit(
            "parsl_on_dask: %s is not there, and did not come within %s s. The script that asked for this job has "
            "ended, or this node does not see its run directory." % (ORDERS, LATE)
        )
    same = is_the_scripts()
    why = None if same else misfit()
    if why:
        sys.exit(
            "parsl_on_dask: the Python of the workers is %s (version %d.%d), that of the script %s (version %s): %s. "
            "Have worker_init activate an environment with Python %s and distributed, or name its Python by python= "
            "of the executor."
            % ((sys.executable,) + sys.version_info[:2] + (SCRIPT["python"], SCRIPT["version"], why, SCRIPT["version"]))
        )
    if same:
        sys.path.insert(0, SCRIPT["folder"])
    elif arrives(ARCHIVE):
        sys.path.insert(0, ARCHIVE)
    try:
        from parsl_on_dask.clusters.{module} import main
    except ImportError as e:
        sys.exit("parsl_on_dask: %s cannot import parsl_on_dask from %s: %s" % (sys.executable, ARCHIVE, e))
    main(ORDERS, same)


if __name__ == "__main__":
    start()
'''


class Start(NamedTuple):
    """How nodes start. Each is given the path of its orders, or ``"-"``.

    - `module`: module of :mod:`parsl_on_dask.clusters` whose ``main`` is called with the orders.
    - `archive`: zip file with this package.
    - `late`: seconds for which files may be late.
    """

    module: str
    archive: str
    late: float

    def python_text(self) -> str:
        """What a node's Python runs."""
        import distributed

        found = os.stat(os.path.join(package_folder(), "parsl_on_dask", "__init__.py"))
        script = {
            "python": sys.executable,
            "version": "{}.{}".format(*sys.version_info[:2]),
            "folder": package_folder(),
            "distributed": str(distributed.__version__),  # type: ignore[attr-defined]
            "marks": [os.path.realpath(sys.prefix), found.st_size, int(found.st_mtime)],
        }
        return _PYTHON.format(**self._asdict(), script=script, variable=VARIABLE)


def start_files(folder: str, start: Start, python: str | None) -> dict[str, str]:
    """The files, by path, that a node starts with.

    - `folder`: where they go.
    - `python`: the Python, where the user has named it; None to take the one that is activated, or the script's.
    """
    script = os.path.join(folder, PYTHON_FILE)
    files = {script: start.python_text()}
    if python is None:
        files[first_file(folder, None)] = choice(f'{shlex.quote(script)} "$1"')
    return files


def first_file(folder: str, python: str | None) -> str:
    """The one of :func:`start_files` that is run first."""
    return os.path.join(folder, SHELL_FILE if python is None else PYTHON_FILE)


def start_command(python: str | None, path: str, orders: str) -> str:
    """The command that runs :func:`first_file`. It is plain words: launchers put it into shell texts of their own."""
    return f"{'/bin/sh' if python is None else words(python)} {shlex.quote(path)} {shlex.quote(orders)}"


def stdin_command(start: Start, python: str | None) -> str:
    """The shell command that starts a node which sees none of our files."""
    code = f"-c {shlex.quote(start.python_text())} -"
    return f"{words(python)} {code}" if python is not None else f"/bin/sh -c {shlex.quote(choice(code))}"


def write_archive(path: str) -> None:
    """Write this package's modules to a zip file that Python can import from."""
    root = package_folder()
    with replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w", strict_timestamps=False) as archive:
        for folder, _, names in os.walk(os.path.join(root, "parsl_on_dask")):
            for name in names:
                if name.endswith(".py"):
                    full = os.path.join(folder, name)
                    archive.write(full, os.path.relpath(full, root))


def package_folder() -> str:
    """Directory that this package is imported from."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def places() -> dict[str, list[str]]:
    """Where a node is to import from: ``path`` with the Python of the script, ``folders`` with another one."""
    return _places(tuple(sys.path), os.getcwd())


@functools.lru_cache(maxsize=1)
def _places(entries: tuple[str, ...], folder: str) -> dict[str, list[str]]:
    path = [os.path.normpath(os.path.join(folder, entry)) for entry in entries if entry]
    return {"path": path, "folders": users_folders()}


def users_folders() -> list[str]:
    """Where this process imports from that is the user's: the script's folder, ``PYTHONPATH``.

    That is what comes before the standard library, but for folders of the environment and packages of others.
    """
    stdlib = sysconfig.get_path("stdlib")
    found = []
    for entry in sys.path:
        if os.path.dirname(entry) == os.path.dirname(stdlib) or entry == stdlib:
            break
        folder = os.path.abspath(entry)
        if entry and not _of_environment(folder):
            found.append(folder)
    return found


def _of_environment(folder: str) -> bool:
    if os.path.basename(folder) in ("site-packages", "dist-packages"):
        return True
    return any(os.path.commonpath([folder, prefix]) == prefix for prefix in {sys.prefix, sys.base_prefix})


def import_from(told: dict[str, Any], same: bool) -> None:
    """Take the :func:`places` of the script."""
    if same:
        sys.path[:] = [*told["path"], *[p for p in sys.path if p not in told["path"]]]
    else:
        sys.path += [p for p in told["folders"] if p not in sys.path]
