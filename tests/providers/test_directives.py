"""Directives in all the forms that people write them in, and the time limits in them."""

from __future__ import annotations

import pytest
import yaml

from parsl_on_dask.providers.directives import Directive, attributes_of, directives_of, limit_in


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[-C haswell, '-L project, SCRATCH']", ["-C haswell", "-L project, SCRATCH"]),
        ("- -C geyser: null", ["-C geyser"]),
        ("- -C geyser:", ["-C geyser"]),
        ("{--gres: 'gpu:1', --requeue: null, -q: long}", ["--gres=gpu:1", "--requeue", "-q long"]),
        ("- {--nice: 5}\n- --requeue: true", ["--nice=5", "--requeue"]),
        ("--qos=low", ["--qos=low"]),
        ("|\n  --qos=low\n  --nice=1\n", ["--qos=low", "--nice=1"]),
        ("- '#SBATCH --qos=low'", ["--qos=low"]),
        ("null", []),
        ("[]", []),
        ("{}", []),
        ("['', null, -m n]", ["-m n"]),
    ],
)
def test_forms(written, expected):
    assert directives_of(yaml.safe_load(written), "#SBATCH") == expected


@pytest.mark.parametrize(
    "written",
    ["{+Flavour: 1, rank: Memory}", "[+Flavour = 1, rank = Memory]", "'+Flavour = 1'", "- +Flavour: 1\n- rank: Memory"],
)
def test_attributes(written):
    found = attributes_of(yaml.safe_load(written))
    assert str(found["+Flavour"]) == "1"
    assert found.get("rank", "Memory") == "Memory"


def test_text_that_is_no_attribute():
    with pytest.raises(ValueError, match="no attribute with a value"):
        attributes_of(["universe"])


@pytest.mark.parametrize(
    ("system", "text", "limit"),
    [
        ("slurm", "--time=02:00:00", "02:00:00"),
        ("slurm", "--time 1-0", "1-0"),
        ("slurm", "-t 90", "90"),
        ("slurm", "-t90", "90"),
        ("slurm", "--time='2:00:00'", "2:00:00"),
        ("slurm", "--time=UNLIMITED", "UNLIMITED"),
        ("slurm", "-p long -t 5", "5"),
        ("slurm", "--time-min=5", None),
        ("slurm", "--ntasks=5", None),
        ("slurm", "--exclude=node-t 5", None),
        ("pbs", "-l walltime=01:00:00", "01:00:00"),
        ("pbs", "-l select=1:ncpus=4,walltime=3600", "3600"),
        ("moab", "-l nodes=1,walltime=3600", "3600"),
        ("sge", "-l h_vmem=4G,h_rt=1:0:0", "1:0:0"),
        ("sge", "-l s_rt=3600", None),
        ("lsf", "-W 60", "60"),
        ("lsf", "-W 01:00/host1", "01:00"),
        ("lsf", "-We 60", None),
        ("oar", "-l /nodes=1,walltime=2", "2"),
        ("htcondor", "walltime=3", None),
    ],
)
def test_limits(system, text, limit):
    assert limit_in(system, ["-q long", text]) == limit


def test_a_short_option_is_not_found_in_long_ones():
    nodes = Directive("--nodes=2", "-N 2")
    assert nodes.skipped(["-N"]) and nodes.skipped(["--nodes"]) and not nodes.skipped(["-n"])
