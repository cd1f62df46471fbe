"""Which nodes are left out, and for how long, by a clock of the test's own."""

from __future__ import annotations

import pytest

from parsl_on_dask.clusters.badnodes import MOST, REST, BadNodes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_node_on_which_blocks_die_is_left_out_and_taken_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    nodes = BadNodes("hpc", clock)
    nodes.died(["node1"], "exit code 3")
    assert nodes.left_out() == () and not nodes.text()
    nodes.died(["node1"], "exit code 3")
    assert nodes.left_out() == ("node1",)
    assert "node1" in nodes.text() and "exit code 3" in nodes.text() and "node node1 is avoided" in caplog.text
    clock.now += REST - 1
    assert nodes.left_out() == ("node1",)
    clock.now += 1
    assert nodes.left_out() == () and not nodes.text()
    nodes.died(["node1"], "exit code 3")
    assert nodes.left_out() == ("node1",), "one more is enough"


def test_a_block_that_lives_speaks_for_its_node() -> None:
    nodes = BadNodes("hpc", Clock())
    for _ in range(5):
        nodes.died(["node1"], "exit code 3")
        nodes.lived(["node1"])
    assert nodes.left_out() == ()


@pytest.mark.parametrize("some_live", [False, True])
def test_when_blocks_die_everywhere_it_is_not_the_nodes(some_live: bool) -> None:
    nodes = BadNodes("hpc", Clock())
    if some_live:
        nodes.lived(["node9"])
    for node in ("node1", "node2", "node3", "node4"):
        nodes.died([node], "exit code 3")
        nodes.died([node], "exit code 3")
    assert nodes.left_out() == (("node1", "node2", "node3", "node4") if some_live else ())


def test_a_block_of_several_nodes() -> None:
    """Of two nodes one is at fault; which one shows when a block lives on the other."""
    nodes = BadNodes("hpc", Clock())
    nodes.died(["node1", "node2"], "exit code 3")
    nodes.lived(["node2", "node3"])
    nodes.died(["node1", "node4"], "exit code 3")
    assert nodes.left_out() == ("node1",)


def test_what_is_left_out_is_bounded_and_forgiven_when_nothing_is_left() -> None:
    nodes = BadNodes("hpc", Clock())
    for number in range(3 * MOST):
        nodes.blame(f"node{number}", "calls fail there that succeed elsewhere")
    assert len(nodes.left_out()) == MOST
    assert nodes.forgive() and nodes.left_out() == ()
    assert not nodes.forgive()
