"""Job arrays: one submission for many equal jobs, which the batch system tells apart by an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

#: Stands in paths for the index of a job, until a system's own sign takes its place.
INDEX = "@index@"
#: The most jobs of one array: every job's part is in its script.
MOST = 100


class ArrayWay(NamedTuple):
    """How a batch system has job arrays.

    - `option`: the option that asks for one, with the ``{first}`` and the ``{last}`` index; ``""`` where the name says
      it.
    - `path`: what the system puts the index in the place of, in the paths of stdout and stderr.
    - `variable`: environment variable in which a job finds its index.
    - `first`: the lowest index.
    - `element`: makes the id of one job from that of the array and its index.
    """

    option: str
    path: str
    variable: str
    first: int
    element: Callable[[str, int], str]

    def asks_for(self, count: int) -> str:
        """The option that asks for so many jobs."""
        return self.option.format(first=self.first, last=self.first + count - 1)

    def script(self, bodies: Sequence[str]) -> str:
        """Shell text that runs, of several texts, the one of the job's index.

        Examples
        --------
        >>> print(SLURM.script(["echo a", "echo b"]))
        case "$SLURM_ARRAY_TASK_ID" in
        0)
        echo a
        ;;
        1)
        echo b
        ;;
        esac
        """
        parts = (f"{self.first + i})\n{body.rstrip()}\n;;" for i, body in enumerate(bodies))
        return "\n".join([f'case "${self.variable}" in', *parts, "esac"])


def indexed(path: str) -> str:
    """A path with a place for the index of a job in an array.

    Examples
    --------
    >>> indexed("/logs/name.stdout")
    '/logs/name.@index@.stdout'
    """
    base, dot, end = path.rpartition(".")
    return f"{base}.{INDEX}{dot}{end}"


SLURM = ArrayWay("--array={first}-{last}", "%a", "SLURM_ARRAY_TASK_ID", 0, lambda job, i: f"{job}_{i}")
PBSPRO = ArrayWay(
    "-J {first}-{last}", "^array_index^", "PBS_ARRAY_INDEX", 0, lambda job, i: job.replace("[]", f"[{i}]")
)
LSF = ArrayWay("", "%I", "LSB_JOBINDEX", 1, lambda job, i: f"{job}[{i}]")
GRID_ENGINE = ArrayWay("-t {first}-{last}", "$TASK_ID", "SGE_TASK_ID", 1, lambda job, i: f"{job}.{i}")
