"""Ranks, cores and accelerators of workers."""

from __future__ import annotations

import pytest

from parsl_on_dask.clusters.placement import affinity_for, worker_environment
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors.high_throughput.cpu_affinity import check_cpu_affinity


@pytest.mark.parametrize(
    ("strategy", "cores"),
    [
        ("none", [None, None]),
        ("block", [[2, 3], [4, 5]]),
        ("BLOCK", [[2, 3], [4, 5]]),
        ("block-reverse", [[4, 5], [2, 3]]),
        ("alternating", [[2, 4], [3, 5]]),
        ("list:0-2:7,9-10", [[0, 1, 2], [7, 9, 10]]),
    ],
)
def test_affinity(strategy, cores):
    check_cpu_affinity("X", strategy)
    assert [affinity_for(rank, 2, strategy, {5, 3, 4, 2}) for rank in range(2)] == cores


@pytest.mark.parametrize("strategy", ["block", "alternating"])
def test_more_workers_than_cores(strategy):
    with pytest.raises(ConfigurationError, match="max_workers_per_node=2"):
        affinity_for(0, 3, strategy, [0, 1])


def test_a_list_for_another_number_of_workers():
    with pytest.raises(ConfigurationError, match="cores of 2 workers, but the node has 3"):
        affinity_for(0, 3, "list:0:1", range(4))


@pytest.mark.parametrize("text", ["list", "list:", "list:1-", "list:a", "list:1::2", "nearby", 3, None])
def test_bad_affinities(text):
    with pytest.raises(ConfigurationError, match="cpu_affinity"):
        check_cpu_affinity("HighThroughputExecutor", text)


def test_environment_of_a_plain_worker():
    assert worker_environment(1, 4, pool_id="p", block_id="0") == {
        "PARSL_WORKER_RANK": "1",
        "PARSL_WORKER_COUNT": "4",
        "PARSL_WORKER_POOL_ID": "p",
        "PARSL_WORKER_BLOCK_ID": "0",
    }


def test_environment_of_a_bound_worker():
    environment = worker_environment(0, 2, cores=[4, 5])
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["GOMP_CPU_AFFINITY"] == "4,5"
    assert environment["KMP_AFFINITY"] == "explicit,proclist=[4,5]"


def test_environment_of_a_worker_with_an_accelerator():
    environment = worker_environment(1, 2, ["0", "GPU-abc"])
    assert [environment[n] for n in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK")] == [
        "GPU-abc"
    ] * 3
    assert environment["ZE_ENABLE_PCI_ID_DEVICE_ORDER"] == "1"


@pytest.mark.parametrize(
    ("rank", "count", "devices", "seen"),
    [(3, 4, 2, "1"), (1, 4, 2, "0"), (1, 2, 4, "1"), (1, 2, None, "1"), (1, 2, 0, "1"), (2, 3, 3, "2")],
)
def test_workers_share_cuda_devices(rank, count, devices, seen):
    names = [str(i) for i in range(count)]
    assert worker_environment(rank, count, names, cuda_devices=devices)["CUDA_VISIBLE_DEVICES"] == seen
