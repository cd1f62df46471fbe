"""Write the table of ``jobqueue.yaml`` in docs/hpc-directives.md, or tell whether it is current.

``python -m ci.coverage.jobqueue [--check]``. The keys are those of the file that dask-jobqueue ships; what each does
here is written below.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ci.coverage.compare import HERE
from parsl_on_dask.providers.site import WITHOUT_EFFECT, shipped

PAGE = HERE.parents[1] / "docs" / "hpc-directives.md"
BEGIN, END = "<!-- by python -m ci.coverage.jobqueue -->\n", "<!-- end -->\n"
#: sections that no batch system belongs to
NOT_READ = {"local": "not read: what runs on this machine is `LocalProvider`"}

_EXTRA = "more directives, after all others of the site; a list, lines of text, or options by name"
_OLD = "the older name of `{0}`. Where both are there, `{0}` counts"
#: what a key does, by its name, or by section and name where systems differ
DOES = {
    **{key: f"no effect: {why}. Reported once" for key, why in WITHOUT_EFFECT.items()},
    "name": "first part of the names of jobs, which go on with executor, block and time. Left out: `parsl`",
    "cores": "a node runs so many calls at a time, each in a process. The system is asked for them, unless a "
    "setting below says what to ask for",
    "memory": "what a node's workers have, for `mem_per_worker`; no worker is limited. The system is asked for it, "
    "unless a setting below says what to ask for",
    "processes": "how many workers of a node offer the `--resources`. Each slot is a process here, so `cores` says "
    "how many there are, unless `processes` are more",
    "python": "the workers' Python: a path, or a command of several words",
    "interface": "network interface of scheduler and workers",
    "death-timeout": "seconds for which a worker looks for its scheduler",
    "local-directory": "where workers keep what is on disk; variables in it are the nodes', and it is made there",
    "extra": _OLD.format("worker-extra-args"),
    "worker-extra-args": "`--resources`, `--lifetime`, `--lifetime-stagger`, `--preload`, `--interface`, "
    "`--local-directory`, `--death-timeout`, `--nthreads` and `--nworkers` are honoured; `--memory-limit` and what is "
    "about nannies and dashboards has no effect; others are refused",
    "shebang": "the first line of the script",
    "queue": "the queue",
    "account": "the account",
    "project": "the project",
    "walltime": "the job's limit, as it is written; a number alone is in the system's own unit, {unit}. Workers "
    "leave in time",
    "env-extra": _OLD.format("job-script-prologue"),
    "job-script-prologue": "shell lines before `worker_init`",
    "resource-spec": "what is asked for, in the place of `cores` and `memory`",
    "sge.resource-spec": "one more `-l`",
    "job-cpu": "cores to ask for, where workers do not use as many",
    "job-mem": "memory to ask for, as it is written; 0 is all of a node's",
    "ncpus": "cores to ask for, where workers do not use as many",
    "mem": "bytes to ask for, where workers do not use as many",
    "job-extra": _OLD.format("job-extra-directives"),
    "job-extra-directives": f"{_EXTRA}. A time limit in them is the one that counts",
    "htcondor.job-extra-directives": "submit attributes by name, or as lines `name = value`",
    "job-directives-skip": "directives that contain one of these are left out, in dask-jobqueue's spelling or in ours",
    "log-directory": "where stdout and stderr go",
    "memory-per-core-property-name": "how memory is asked for; left out, none is, which is reported once",
    "lsf-units": "unit of `-M`",
    "use-stdin": "`bsub < FILE` or `bsub FILE`",
    "disk": "disk to ask for",
    "submit-command-extra": "more words for `condor_submit`",
    "cancel-command-extra": "more words for `condor_rm`",
}
#: seconds, minutes or hours: what a number alone is in a walltime
UNITS = {"slurm": "minutes", "lsf": "minutes", "pbs": "seconds", "moab": "seconds", "sge": "seconds", "oar": "hours"}


def meaning(section: str, key: str) -> str:
    """What a key of a section does."""
    if section in NOT_READ:
        return NOT_READ[section]
    return DOES.get(f"{section}.{key}", DOES[key]).replace("{unit}", UNITS.get(section, ""))


def table() -> str:
    """The rows: one for each key, and for each way in which systems differ."""
    rows: dict[tuple[str, str], list[str]] = {}
    for section, keys in shipped().items():
        for key in keys:
            if section not in NOT_READ:
                rows.setdefault((key, meaning(section, key)), []).append(section)
    lines = ["| Setting | of | Here |", "|---|---|---|"]
    read = [section for section in shipped() if section not in NOT_READ]
    for (key, does), sections in rows.items():
        where = "all" if sections == read else ", ".join(f"`{section}`" for section in sections)
        lines.append(f"| `{key}` | {where} | {does} |")
    for section, why in NOT_READ.items():
        lines.append(f"| all of them | `{section}` | {why} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the table of today."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def main(words: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` say whether it is current."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the page is not current")
    found = parser.parse_args(words)
    text = PAGE.read_text()
    if found.check:
        current = page(text) == text
        print("current" if current else f"{PAGE} is not current: run python -m ci.coverage.jobqueue")
        return int(not current)
    PAGE.write_text(page(text))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
