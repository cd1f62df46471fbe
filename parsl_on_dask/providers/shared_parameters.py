"""Parameters that all providers for batch systems document alike, written once, with each provider's own defaults."""

from __future__ import annotations

import inspect
import textwrap
from typing import Any

#: The line of a docstring that stands for all of it.
PLACE = "    {shared}"
_BLOCKS = "init_blocks, min_blocks, max_blocks"
_PARAMETERS = {
    "nodes_per_block": ("int", "Nodes of one job. Default 1."),
    _BLOCKS: ("int", "Blocks at the start (default 1), at the least when idle (0), at the most (1)."),
    "parallelism": ("float", "Worker slots wanted for each waiting task. Default 1."),
    "walltime": ("str", 'How long a job may run, as ``HH:MM:SS``. Default ``"{default}"``.'),
    "scheduler_options": ("str", "More lines for the head of the script, each with ``{mark}`` in front."),
    "worker_init": ("str", 'Shell text that runs before the workers start, for example ``"module load python"``.'),
    "launcher": ("Launcher", "Starts the workers on the job's nodes. Default ``{launcher}()``."),
    "cmd_timeout": ("float", "Seconds that one of the batch system's commands may take. Default {default}."),
    "config_name": (
        "str, optional",
        'The section of ``jobqueue.yaml`` with the site\'s settings. Default ``"{system}"``.',
    ),
    "jobqueue": ("mapping, optional", "Settings that win over those of ``jobqueue.yaml``, by their names there."),
    "job_arrays": ("bool", "Ask for several blocks at once by one job array (default); False where a site has none."),
    "channel": (
        "LocalChannel, optional",
        "Of Parsl's earlier releases: accepted, and reported once. So is ``move_files``, where a provider has it.",
    ),
}
_RAISES = """
Raises
------
ConfigurationError
    When an argument cannot be used.
BadLauncher
    When ``launcher`` is no launcher."""


def described(cls: Any) -> str:
    """The docstring of a provider, with what all of them say in its place.

    Parameters
    ----------
    cls : type
        A provider whose arguments are its annotations, or those of a constructor of its own.
    """
    text: str = cls.__doc__ or ""
    if PLACE not in text:
        return text
    defaults: dict[str, Any] = {name: vars(cls).get(name) for name in cls.__annotations__}
    if "__init__" in vars(cls):
        defaults = {p.name: p.default for p in inspect.signature(cls.__init__).parameters.values()}
    lines = []
    for names, (kind, meaning) in _PARAMETERS.items():
        name = names.partition(",")[0]
        if name in defaults and f"\n    {names} : " not in text:
            system = getattr(cls, "_system", "")
            told = meaning.format(
                default=defaults[name], mark=cls._mark, system=system, launcher=cls._launcher.__name__
            )
            lines += [f"{names} : {kind}", *textwrap.wrap(told, 110, initial_indent="    ", subsequent_indent="    ")]
    return text.replace(PLACE, textwrap.indent("\n".join(lines) + "\n" + _RAISES, "    "))
