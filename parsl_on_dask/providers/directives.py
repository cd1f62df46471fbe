"""Options of batch systems as text: those of a ``jobqueue.yaml``, what is left out, and the time limit in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

#: how each system is told how long a job may run
_LIMITS = {
    "slurm": re.compile(r"(?:^|\s)(?:--time(?:\s*=\s*|\s+)|-t\s*)[\"']?([\w:-]*\w)"),
    "pbs": re.compile(r"\bwalltime=([\d:.]+)"),
    "moab": re.compile(r"\bwalltime=([\d:.]+)"),
    "oar": re.compile(r"\bwalltime=([\d:.]+)"),
    "sge": re.compile(r"\bh_rt=([\d:.]+)"),
    "lsf": re.compile(r"(?:^|\s)-W\s*([\d:]+)"),
}


class Directive(NamedTuple):
    """One option of the batch system."""

    text: str
    #: how dask-jobqueue spells it, which is what ``job-directives-skip`` is written against
    theirs: str = ""

    def skipped(self, skip: Iterable[str]) -> bool:
        """Whether a site leaves this out."""
        for text in skip:
            # a short option is part of many long ones ("-n" of "--nodes")
            short = re.match(r"-\w\b", text) is not None
            if text in self.theirs or (text in self.text and not (short and self.text.startswith("--"))):
                return True
        return False


def directives_of(value: Any, mark: str = "") -> list[str]:
    """Directives in any of the forms that YAML files have them in, without the system's mark in front.

    - `value`: lines of text, options by name, or a list of either. An option without a value has none in YAML, too.
    - `mark`: what stands in front of a directive in a script, for those that were written with it.

    Examples
    --------
    >>> directives_of(["-C haswell", {"-C geyser": None}, {"--gres": "gpu:1", "-q": "long"}])
    ['-C haswell', '-C geyser', '--gres=gpu:1', '-q long']
    >>> directives_of("#SBATCH --nice=1\\n#SBATCH --requeue", "#SBATCH")
    ['--nice=1', '--requeue']
    """
    if value is None or value == "":
        return []
    if isinstance(value, Mapping):
        return [_option(str(name), setting) for name, setting in value.items()]
    if isinstance(value, str) or not isinstance(value, Iterable):
        lines = (line.strip() for line in str(value).splitlines())
        return [line.removeprefix(mark).strip() if mark else line for line in lines if line and line != mark]
    return [directive for part in value for directive in directives_of(part, mark)]


def _option(name: str, value: Any) -> str:
    if value is None or value is True or value == "":
        return name
    return f"{name}={value}" if name.startswith("--") else f"{name} {value}"


def attributes_of(value: Any) -> dict[str, Any]:
    """HTCondor's submit attributes, by name, in any of the forms that YAML files have them in.

    Raises ValueError for text that is no ``name = value``.

    Examples
    --------
    >>> attributes_of({"+Flavour": '"x"'}), attributes_of(["+Flavour = 1", {"rank": "Memory"}])
    ({'+Flavour': '"x"'}, {'+Flavour': '1', 'rank': 'Memory'})
    """
    if isinstance(value, Mapping):
        return {str(name): setting for name, setting in value.items()}
    if isinstance(value, str):
        found = {}
        for line in filter(None, map(str.strip, value.splitlines())):
            name, equals, setting = line.partition("=")
            if not equals:
                raise ValueError(f"{line!r} is no attribute with a value; write for example '+Flavour = 1'")
            found[name.strip()] = setting.strip()
        return found
    return {name: setting for part in value or () for name, setting in attributes_of(part).items()}


def limit_in(system: str, directives: Iterable[str]) -> str | None:
    """The time limit that directives tell a batch system, as it is written there; of several the last.

    - `system`: dask-jobqueue's name of it.
    - `directives`: without the system's mark in front.

    Examples
    --------
    >>> limit_in("slurm", ["--time=00:30:00", "--nice=1", "-p x -t 2-00"])
    '2-00'
    >>> limit_in("sge", ["-l h_vmem=4G,h_rt=3600"]), limit_in("lsf", ["-We 10", "-n 4"])
    ('3600', None)
    """
    pattern = _LIMITS.get(system)
    found = [match[1] for text in directives for match in pattern.finditer(text)] if pattern else []
    return found[-1] if found else None
