"""The nodes of a batch job, by what batch systems tell."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from parsl_on_dask.executors.high_throughput import mpi_resource_management as management
from parsl_on_dask.executors.high_throughput.mpi_resource_management import Scheduler
from parsl_on_dask.remote import nodes


@pytest.fixture(autouse=True)
def no_batch_system(monkeypatch, tmp_path):
    for name in (*nodes.LISTS, *(name for name, _ in nodes.FILES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # without scontrol and mpiexec


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("variable", "scheduler", "text"),
    [
        ("PBS_NODEFILE", Scheduler.PBS, "n1\nn1\nn2\nn2\n"),
        ("COBALT_NODEFILE", Scheduler.Cobalt, "n1\nn2\n"),
        ("PE_HOSTFILE", Scheduler.GridEngine, "n1 4 all.q@n1 UNDEFINED\nn2 4 all.q@n2 UNDEFINED\n"),
        ("LSB_DJOB_HOSTFILE", Scheduler.LSF, "n1\nn1\nn2\n"),
        ("OAR_NODEFILE", Scheduler.OAR, "n1\nn1\n\nn2\n"),
    ],
)
def test_lists_in_files(monkeypatch, tmp_path, variable, scheduler, text):
    (tmp_path / "list").write_text(text)
    monkeypatch.setenv(variable, str(tmp_path / "list"))
    assert management.identify_scheduler() is scheduler
    assert management.get_nodes_in_batchjob(scheduler) == ["n1", "n2"]
    assert nodes.look() == {"system": scheduler.name, "nodes": ["n1", "n2"], "error": "", "open_mpi": False}


@pytest.mark.parametrize("variable", ["SLURM_JOB_NODELIST", "SLURM_NODELIST"])
def test_slurms_list_without_scontrol(monkeypatch, variable):
    monkeypatch.setenv(variable, "gpu[01-03],login")
    assert management.identify_scheduler() is Scheduler.Slurm
    assert management.get_slurm_hosts_list() == ["gpu01", "gpu02", "gpu03", "login"]


def test_scontrol_is_asked_first(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_NODELIST", "n[1-2]")
    program(tmp_path / "scontrol", '[ "$*" = "show hostnames n[1-2]" ] && echo a && echo b')
    assert management.get_nodes_in_batchjob(Scheduler.Slurm) == ["a", "b"]


def test_outside_of_a_job_there_is_this_machine():
    assert management.identify_scheduler() is Scheduler.Unknown
    assert nodes.look()["nodes"] == [socket.gethostname()]
    with pytest.raises(RuntimeError, match="PBS_NODEFILE"):
        management.get_nodes_in_batchjob(Scheduler.Unknown)


def test_a_list_that_cannot_be_read_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PBS_NODEFILE", str(tmp_path / "gone"))
    found = nodes.look()
    assert found["nodes"] == [] and "gone" in found["error"]
    with pytest.raises(FileNotFoundError):
        management.get_pbs_hosts_list()


def test_open_mpi_is_recognised(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    program(tmp_path / "mpiexec", "echo 'mpiexec (OpenRTE) 4.1.4'")
    assert nodes.look()["open_mpi"]
    program(tmp_path / "mpiexec", "echo 'HYDRA build details:'")
    assert not nodes.look()["open_mpi"]
