"""A script that is killed at a random moment and started again: every call ran once, and every result is right."""

from __future__ import annotations

import shutil

import pytest

from tests.faults.lives import lives_of


def check(where: str, seed: int, **options: float) -> None:
    lives = lives_of(where, seed, calls=40, seconds=0.05, kills=2, **options)
    assert not lives.wrong, (lives.wrong, lives.directory)
    shutil.rmtree(lives.directory)


@pytest.mark.parametrize("seed", range(1))
def test_on_processes(seed: int) -> None:
    check("processes", seed)


@pytest.mark.parametrize("seed", range(1))
def test_on_a_cluster_that_exists(seed: int, existing_cluster: str) -> None:
    check(existing_cluster, seed)


@pytest.mark.extended
@pytest.mark.parametrize("seed", range(100, 106))
def test_on_processes_with_more_seeds(seed: int) -> None:
    check("processes", seed, longest=6.0)


@pytest.mark.extended
@pytest.mark.parametrize("seed", range(100, 104))
def test_on_a_cluster_that_exists_with_more_seeds(seed: int, existing_cluster: str) -> None:
    check(existing_cluster, seed, longest=6.0)
