"""The Python of workers: which one it is, and how nodes find it.

As in Parsl, workers run the Python of the environment that ``worker_init`` activates, or of the container that a
launcher enters. A job notes what it finds before ``worker_init`` (:func:`note`), and what starts on a node compares
(:func:`choice`): if ``python`` or ``python3`` mean something else by then, or another environment is active, an
environment was activated, and workers run its Python. Otherwise they run the script's own, by its path, which need not
be on ``PATH``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping

#: Environment variable with what a job found before ``worker_init``.
VARIABLE = "PARSL_ON_DASK_BEFORE"

#: What activating an environment changes where ``python`` is the same program before and after.
_ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYENV_VERSION")
#: What Apptainer, Docker, Podman and Shifter have in the root of their containers.
_MARKS = ("/.singularity.d", "/.dockerenv", "/run/.containerenv", "/opt/udiImage")
#: The same as ``_found``, in shell text.
_FOUND = "|".join(
    [
        "$(command -v python)",
        "$(command -v python3)",
        *(f"${{{name}-}}" for name in _ACTIVE),
        f"$(for mark in {' '.join(_MARKS)}; do [ ! -e $mark ] || printf '%s ' $mark; done)",
    ]
)

_CHOICE = """\
# The Python of the workers: that of the environment which was activated, else the script's own.
own={own}
python=$(command -v python)
python3=$(command -v python3)
found="{found}"
before=${{{variable}-{here}}}
was=${{before%%|*}}
rest=${{before#*|}}
was3=${{rest%%|*}}
entered=
[ "${{found##*|}}" = "${{before##*|}}" ] || entered=yes
other=
if [ -n "$python" ] && [ "$python" != "$was" ]; then
    other=$python
elif [ -n "$python3" ] && [ "$python3" != "$was3" ]; then
    other=$python3
elif [ -n "$entered" ] || {{ [ -n "{active}" ] && [ "${{found#*|*|}}" != "${{rest#*|}}" ]; }}; then
    other=${{python:-$python3}}
fi
# Is it sure that somebody wants it? Not where nothing was noted before, and not if it is what is left after another
# environment was put away. Then it is taken if it fits.
sure=${{{variable}+yes}}
case $other in /usr/bin/* | /bin/*) sure= ;; esac
[ -z "$entered" ] || sure=yes
fits() {{ "$1" -c {probe} </dev/null >/dev/null 2>&1; }}
chosen=$own
if [ -n "$other" ] && [ "$other" != "$own" ]; then
    if [ -n "$sure" ] || fits "$other"; then
        chosen=$other
    else
        echo "parsl_on_dask: $other on PATH does not fit, and $own is taken" >&2
    fi
fi
[ -x "$chosen" ] || chosen=${{other:-${{python:-$python3}}}}
if [ -z "$chosen" ]; then
    echo "parsl_on_dask: there is no python or python3 on PATH=$PATH, and $own is not there" >&2
    exit 1
fi
exec "$chosen" {arguments}
"""


def note() -> str:
    """A shell line for a job, before anything that may activate an environment."""
    return f'export {VARIABLE}="{_FOUND}"'


def choice(arguments: str) -> str:
    """A shell text that chooses a node's Python and becomes it.

    - `arguments`: what follows the Python, as shell text.
    """
    version = sys.version_info[:2]
    probe = (
        "import sys; from importlib.util import find_spec; "
        f'sys.exit(sys.version_info[:2] != {version!r} or find_spec("distributed") is None)'
    )
    return _CHOICE.format(
        own=shlex.quote(sys.executable),
        found=_FOUND.replace("$(command -v python)", "$python").replace("$(command -v python3)", "$python3"),
        variable=VARIABLE,
        active="".join(f"${{{name}-}}" for name in _ACTIVE),
        here=shlex.quote(_found(os.environ)),
        probe=shlex.quote(probe),
        arguments=arguments,
    )


def _found(environment: Mapping[str, str]) -> str:
    """What a job finds that gets this environment and activates nothing."""
    programs = [shutil.which(name, path=environment.get("PATH")) or "" for name in ("python", "python3")]
    marks = "".join(f"{mark} " for mark in _MARKS if os.path.exists(mark))
    return "|".join([*programs, *(environment.get(name, "") for name in _ACTIVE), marks])


def words(python: str) -> str:
    """The shell text for a Python that the user has named: a path, or a command of several words.

    Examples
    --------
    >>> words("apptainer exec image.sif python")
    'apptainer exec image.sif python'
    """
    return shlex.quote(python) if os.path.exists(python) else python
