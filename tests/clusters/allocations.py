"""Jobs of batch systems for tests: their variables, files and commands, with this machine as every node."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

VARIABLES = (
    *("SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_NODELIST", "SLURM_JOB_END_TIME", "SLURM_HOSTFILE", "PBS_JOBID"),
    *("PBS_NODEFILE", "LSB_JOBID", "LSB_DJOB_HOSTFILE", "FLUX_URI", "FLUX_JOB_ID", "OAR_JOB_ID", "OAR_NODEFILE"),
    *("PE_HOSTFILE", "JOB_ID", "COBALT_NODEFILE", "COBALT_JOBID", "JOBNAME"),
)

#: Starts what comes behind its options once for each node, which is told its name, and its rank as MPI tells it.
STARTER = """#!{python}
import json, os, signal, subprocess, sys

name, words = os.path.basename(sys.argv[0]).partition("-")[0], sys.argv[1:]
if words == ["--version"]:
    print({version!r})
    sys.exit()
place = next(i for i, word in enumerate(words) if word in ("bash", "/bin/bash", "/usr/bin/sh"))
options, command = words[:place], words[place:]
with open({log!r}, "a") as file:
    file.write(json.dumps([name, *options]) + "\\n")


def after(*names):
    for i, word in enumerate(options):
        if word in names:
            return options[i + 1]
        for each in names:
            if word.startswith(each + "="):
                return word.partition("=")[2]


def listed(path):
    with open(path) as file:
        return [line.split()[0] for line in file if line.strip()]


nodes = {nodes!r}
if name == "ssh":
    nodes = [options[-1]]
elif name == "flux":
    nodes = [nodes[int(rank)] for rank in after("--rank").split(",")]
elif name == "blaunch":
    nodes = after("-z").split()
elif after("-hosts", "--host", "--nodelist", "-node-list"):
    nodes = [part.partition(":")[0] for part in after("-hosts", "--host", "--nodelist", "-node-list").split(",")]
elif after("--hostfile"):
    nodes = listed(after("--hostfile"))
elif os.environ.get("SLURM_HOSTFILE"):
    nodes = listed(os.environ["SLURM_HOSTFILE"])
count = int(after("-n", "--ntasks", "--nrs") or len(nodes))
assert count <= len(nodes), (count, nodes)
kept = os.environ if {carries!r} else {{n: os.environ[n] for n in ("PATH", "HOME") if n in os.environ}}
started = [
    subprocess.Popen(command, env={{**kept, "FAKE_NODE": node, "PMI_RANK": str(i), "OMPI_COMM_WORLD_RANK": str(i)}})
    for i, node in enumerate(nodes[:count])
]
signal.signal(signal.SIGTERM, lambda *_: [one.terminate() for one in started])
sys.exit(max(one.wait() for one in started))
"""


class Job:
    """A job of a batch system that this process is in, as far as it can see.

    Parameters
    ----------
    system : str
        As :class:`parsl_on_dask.providers.allocation.Allocation` has it.
    starter : str
        The command that starts something on nodes.
    version : str
        What the starter prints as its version.
    carries : bool
        Whether the environment goes to the nodes.
    """

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        system: str,
        starter: str = "",
        version: str = "",
        carries: bool = True,
        nodes: tuple[str, ...] = ("n1", "n2"),
    ) -> None:
        self.nodes = list(nodes)
        self.bin = folder / "bin"
        self.bin.mkdir(exist_ok=True)
        self.log = folder / "started"
        self.patch = patch
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        if starter:
            facts = {"python": sys.executable, "version": version, "log": str(self.log), "nodes": self.nodes}
            self.command(starter, STARTER.format(carries=carries, **facts))
        getattr(self, f"_{system.lower()}")(folder)

    def command(self, name: str, text: str) -> None:
        """A command that is on the PATH."""
        path = self.bin / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def says(self, name: str, answer: str) -> None:
        """A command that prints an answer, and writes down what it was asked."""
        self.command(name, f'#!/bin/bash\necho "$*" >> {self.bin}/{name}.asked\ncat <<"END"\n{answer}\nEND\n')

    def asked(self, name: str) -> str:
        """What a command was asked last."""
        return (self.bin / f"{name}.asked").read_text().splitlines()[-1]

    def started(self) -> list[list[str]]:
        """The starter's calls: its name and options."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def only(self, module: object, *names: str) -> None:
        """Have `module` find these commands, and no other ones."""
        self.patch.setattr(module, "shutil", Finds({name: str(self.bin / name) for name in names}))

    def _file(self, folder: Path, lines: list[str]) -> str:
        path = folder / "nodes"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    def _slurm(self, folder: Path) -> None:
        self.patch.setenv("SLURM_JOB_ID", "12")
        self.patch.setenv("SLURM_JOB_NODELIST", ",".join(self.nodes))
        self.command("scontrol", '#!/bin/bash\ntr , "\\n" <<< "$3"\n')
        self.says("squeue", "10:00")

    def _pbs(self, folder: Path) -> None:
        self.patch.setenv("PBS_JOBID", "12.server")
        self.patch.setenv("PBS_NODEFILE", self._file(folder, [node for node in self.nodes for _ in range(2)]))
        self.says("qstat", "    Resource_List.walltime = 01:00:00\n    resources_used.walltime = 00:50:00")

    def _lsf(self, folder: Path) -> None:
        self.patch.setenv("LSB_JOBID", "12")
        self.patch.setenv("LSB_DJOB_HOSTFILE", self._file(folder, self.nodes))
        self.says("bjobs", "0:10 L")

    def _flux(self, folder: Path) -> None:
        self.patch.setenv("FLUX_URI", "local:///run/flux/local")
        starter = self.bin / "flux"
        if starter.exists():
            starter.rename(self.bin / "flux-exec")
        answer = f"hostlist) echo {' '.join(self.nodes)};;\njob) echo 600;;"
        run = f'exec) shift; exec -a flux {sys.executable} {self.bin}/flux-exec "$@";;'
        self.command("flux", f"#!/bin/bash\ncase $1 in\n{answer}\n{run}\nesac\n")

    def _oar(self, folder: Path) -> None:
        self.patch.setenv("OAR_JOB_ID", "12")
        self.patch.setenv("OAR_NODEFILE", self._file(folder, [node for node in self.nodes for _ in range(2)]))

    def _none(self, folder: Path) -> None:
        pass


class Finds:
    """In the place of ``shutil``: finds some commands."""

    def __init__(self, commands: dict[str, str]) -> None:
        self.commands = commands

    def which(self, name: str) -> str | None:
        return self.commands.get(name)
