"""Node-hours of a run: asked for, used and idle, and the time in the queue, by executor and block.

A run writes what it knows into ``NODE_HOURS`` in each executor's part of its directory, with monitoring or without;
:func:`read` finds it there, also while the run goes on. ``executor.node_hours()`` is the same for one executor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["NODE_HOURS", "BlockHours", "NodeHours", "read", "table"]

#: Name of the file, in RUN_DIRECTORY/LABEL.
NODE_HOURS = "node_hours.json"


@dataclass
class BlockHours:
    """What one block asked for and used.

    Attributes
    ----------
    block : str
        Its id.
    nodes : int
    job : str or None
        The batch system's id; None while it has none, and when the submission was refused.
    state : str
        Name of its :class:`~parsl_on_dask.jobs.states.JobState`.
    walltime : float or None
        Seconds that it asked for; None for a job without an end.
    asked : float
        When it was asked for, in seconds since 1970.
    queued : float
        Seconds that it waited until it ran; until now, or its end, if it has not run.
    used : float
        Seconds that it ran.
    idle : float
        Seconds of ``used`` in which it ran no calls. A block that runs calls on a quarter of its slots is idle by three
        quarters.

    Examples
    --------
    >>> block = BlockHours("0", 2, "1234", walltime=3600, used=1800, idle=900)
    >>> block.node_hours("walltime"), block.node_hours("used"), block.node_hours("idle")
    (2.0, 1.0, 0.5)
    """

    block: str
    nodes: int = 1
    job: str | None = None
    state: str = "PENDING"
    walltime: float | None = None
    asked: float = 0.0
    queued: float = 0.0
    used: float = 0.0
    idle: float = 0.0

    def node_hours(self, what: str) -> float | None:
        """Return ``walltime``, ``used`` or ``idle``, times the nodes, in hours; None where it is not known."""
        seconds: float | None = getattr(self, what)
        return None if seconds is None else seconds * self.nodes / 3600


@dataclass
class NodeHours:
    """The blocks of one executor; ``str()`` of it is a table for people.

    Attributes
    ----------
    label : str
        The executor's.
    system : str
        Label of its provider, such as ``"slurm"``.
    blocks : list of BlockHours
    source : str
        ``"the run"``, or ``"sacct"`` where times are those of Slurm's accounting.
    clusters : str or None
        Slurm's clusters, where the provider names some.
    """

    label: str
    system: str
    blocks: list[BlockHours] = field(default_factory=list)
    source: str = "the run"
    clusters: str | None = None

    @property
    def asked_for(self) -> float | None:
        """Node-hours that the walltimes of all jobs come to; None when one of them has no end."""
        found = [b.node_hours("walltime") for b in self.blocks if b.job is not None]
        return None if None in found else sum(hours for hours in found if hours is not None)

    @property
    def used(self) -> float:
        """Node-hours for which jobs ran."""
        return sum(b.node_hours("used") or 0.0 for b in self.blocks)

    @property
    def idle(self) -> float:
        """Node-hours of those in which nothing ran."""
        return sum(b.node_hours("idle") or 0.0 for b in self.blocks)

    def summary(self) -> str:
        """All of it in a line.

        Examples
        --------
        >>> NodeHours("cpu", "slurm", [BlockHours("0", 2, "7", "COMPLETED", 3600, 0.0, 61, 1800, 180)]).summary()
        '1 block, node-hours: 2.00 asked for, 1.00 used, 0.10 of them idle (10 %); 0:01:01 in the queue'
        """
        count, used, asked_for = len(self.blocks), self.used, self.asked_for
        asked = "" if asked_for is None else f"{asked_for:.2f} asked for, "
        share = f" ({100 * self.idle / used:.0f} %)" if used else ""
        waited = [b.queued for b in self.blocks if b.job is not None]
        queue = f"; {_span(waited)} in the queue" if waited else ""
        return (
            f"{count} block{'' if count == 1 else 's'}, node-hours: {asked}{used:.2f} used, {self.idle:.2f} of them "
            f"idle{share}{queue}"
        )

    def __str__(self) -> str:
        return f"{self.label} ({self.system}), {self.summary()}\n{table(self)}"


COLUMNS = ("block", "job", "state", "nodes", "in the queue", "ran", "asked for", "used", "idle")


def cells(hours: NodeHours) -> list[list[str]]:
    """The cells of the table, :data:`COLUMNS` of each block; the last three in node-hours."""
    return [
        [
            b.block,
            b.job or "none",
            b.state,
            str(b.nodes),
            clock(b.queued),
            clock(b.used),
            *("-" if h is None else f"{h:.2f}" for h in map(b.node_hours, ("walltime", "used", "idle"))),
        ]
        for b in hours.blocks
    ]


def table(hours: NodeHours) -> str:
    """One line for each block.

    Examples
    --------
    >>> print(table(NodeHours("cpu", "slurm", [BlockHours("0", 2, "7", "TIMEOUT", 3600, 0.0, 61, 3600, 360)])))
      block  job    state  nodes  in the queue      ran  asked for  used  idle
          0    7  TIMEOUT      2       0:01:01  1:00:00       2.00  2.00  0.20
    """
    lines = [list(COLUMNS), *cells(hours)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    Examples
    --------
    >>> clock(3661.4), clock(59.6)
    ('1:01:01', '0:01:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _span(seconds: Sequence[float]) -> str:
    least, most = clock(min(seconds)), clock(max(seconds))
    return least if least == most else f"{least} to {most}"


def dump(hours: NodeHours) -> str:
    """Text of the file."""
    return json.dumps({"version": 1, **asdict(hours)})


def read(run_dir: str | os.PathLike[str]) -> list[NodeHours]:
    """Read what a run has written down.

    Parameters
    ----------
    run_dir : path
        The directory of one run, ``runinfo/003``.

    Returns
    -------
    list of NodeHours
        One for each executor that had blocks, by label; empty where there are none. The numbers of a run that goes
        on, or was killed, may be a minute old.

    Examples
    --------
    >>> read("runinfo/no-such-run")
    []
    """
    found = []
    try:
        labels = sorted(os.listdir(run_dir))
    except OSError:
        return []
    for label in labels:
        try:
            with open(os.path.join(run_dir, label, NODE_HOURS), encoding="utf-8") as file:
                known: dict[str, Any] = json.load(file)
            del known["version"]
            blocks = [BlockHours(**block) for block in known.pop("blocks")]
            found.append(NodeHours(blocks=blocks, **known))
        except (OSError, ValueError, TypeError, KeyError):  # there is none, or it is not of this version
            continue
    return found
