"""The Configs of named machines in docs/machines: ``python -m ci.machines`` writes their page, README.md.

``look()`` takes all of them through ``parsl_on_dask check``, in one process.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from parsl_on_dask.check.command import check
from parsl_on_dask.check.explaining import Explanation

FOLDER = Path(__file__).parents[1] / "docs" / "machines"
PAGE = FOLDER / "README.md"

HEAD = """\
# Configs of named machines

Configs to start from, one file for each machine. They are written as for Parsl, and follow what the site's own
documentation recommends: which partition, whether memory has to be asked for or must not be, how GPUs and cores are
bound, and which launcher reaches the nodes.

**None of them was run on the machine itself.** What each site says was taken from the sources that the file names;
some facts were written from memory of the site's documentation, and the file says which. Sites change: where the batch
system disagrees, believe it. The tests compare the directives of each job script with those that were written down
when the sources were read (`tests/machines`).

Take a file, put your account and your environment into it, and look at the job script, on any machine:

```bash
python -m parsl_on_dask check docs/machines/perlmutter.py
```

Commands and network interfaces that are not there are noted, and all else is shown. A workflow of its own imports the
file: `from perlmutter import config`, with `python -m parsl_on_dask workflow.py`, or after
`import parsl_on_dask; parsl_on_dask.install()`.

All of them ask for blocks only when there are calls (`init_blocks=0`), except the one that runs inside of a job. What
the arguments mean: [hpc.md](../hpc.md). Directive by directive: [hpc-directives.md](../hpc-directives.md).

"""
FOOT = "\nThe table is made by `python -m ci.machines` from the heads of the files.\n"


class Machine(NamedTuple):
    """What the head of a file says.

    Attributes
    ----------
    file : str
        Its name, without ``.py``.
    name, site, nodes, system : str
    sources : list of (str, bool)
        Each address, and whether what it says was written from memory.
    """

    file: str
    name: str
    site: str
    nodes: str
    system: str
    sources: list[tuple[str, bool]]


def machines() -> Iterator[Machine]:
    """Read the head of each file.

    Raises
    ------
    ValueError
        When one is not in the form of the others.
    """
    for path in sorted(FOLDER.glob("*.py")):
        head = path.read_text().split('"""')[1]
        first = re.match(r"(.+?) \((.+?)\): (.+)\. (.+)\.\n\nNot run on the machine itself\.\n", head)
        items = re.findall(r"^- (.+(?:\n  .+)*)", head, re.MULTILINE)
        sources = [
            (url, "From memory" in " ".join(item.split()))
            for item in items
            for url in re.findall(r"https?://[^\s,;]+[^\s,;:.]", item)
        ]
        if first is None or not sources:
            raise ValueError(f"the head of {path} is not in the form of the others")
        yield Machine(path.stem, *first.groups(), sources)


def page() -> str:
    """Text of the page."""
    rows = ["| Machine | Config | Batch system | Sources |", "|---|---|---|---|"]
    for one in machines():
        links = ", ".join(
            f"[{n}]({url}){' (memory)' if memory else ''}" for n, (url, memory) in enumerate(one.sources, 1)
        )
        rows.append(
            f"| **{one.name}**, {one.site} | [{one.file}.py]({one.file}.py): {one.nodes} | {one.system} | {links} |"
        )
    return HEAD + "\n".join(rows) + "\n" + FOOT


def look() -> Explanation:
    """What all of them become. Each plan's ``config`` is the name of its file."""
    imports = "\n".join(f"from {path.stem} import config as {path.stem}" for path in sorted(FOLDER.glob("*.py")))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "all_machines.py"
        file.write_text(f"import sys\nsys.path.append({str(FOLDER)!r})\n{imports}\n")
        return check(file)


def directives(script: str) -> list[str]:
    """Lines of a job script that a site has a say in: directives, and how the launcher starts what runs on the nodes.

    Names and paths of a run are left out.

    Examples
    --------
    >>> directives('#SBATCH --nodes=2\\n#SBATCH --output=/a/b\\nset -e\\nsrun --ntasks 2 -l  bash "cmd.sh"')
    ['#SBATCH --nodes=2', 'srun --ntasks 2 -l bash']
    """
    head, *_ = script.split("\nQueue\n")
    condor = "condor_submit" in head.partition("\n")[0]
    found = []
    for line in head.splitlines()[1:] if condor else script.splitlines():
        if condor:
            ours = "RUN_DIRECTORY" in line or "JOBNAME" in line or line.startswith(("Arguments", "Executable"))
            keep = bool(line) and not ours
        else:
            ours = re.match(r"#SBATCH --(job-name|output|error)=|#PBS -(N|o|e|S|m) ", line) is not None
            keep = line.startswith(("#SBATCH ", "#PBS ", "srun ", "mpiexec ")) and not ours
        if keep:
            found.append(" ".join(line.split('"' if line.startswith(("srun", "mpiexec")) else "\0")[0].split()))
    return found


if __name__ == "__main__":
    PAGE.write_text(page())
