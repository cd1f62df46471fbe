"""The interface of launchers."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from parsl_on_dask.utils import RepresentationMixin


class Launcher(RepresentationMixin, ABC):
    """Abstract base: turns the command for one node into the shell text for a block.

    The behaviour is that of Parsl's ``parsl.launchers.base``.

    Parameters
    ----------
    debug : bool
        Let the text report its progress on stdout. Default True.

    Examples
    --------
    >>> class Container(Launcher):
    ...     def __call__(self, command, tasks_per_node, nodes_per_block, script_dir=""):
    ...         return f"apptainer exec image.sif {command}"
    >>> Container()("dask worker", 1, 1)
    'apptainer exec image.sif dask worker'
    """

    #: whether what it starts may be on other nodes than its own
    several_nodes: ClassVar[bool] = False

    def __init__(self, debug: bool = True) -> None:
        self.debug = debug

    @abstractmethod
    def __call__(self, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str = "") -> str:
        """Return the shell text.

        Parameters
        ----------
        command : str
            Starts the workers of one node.
        tasks_per_node : int
            How many copies of the command a node runs.
        nodes_per_block : int
            How many nodes the block has.
        script_dir : str
            Directory for files that the text writes. Default: where the block's script runs.
        """


def launched(launcher: Any, command: str, tasks_per_node: int, nodes_per_block: int, script_dir: str) -> str:
    """The shell text that a launcher makes, also one that was written before launchers were told a directory.

    Examples
    --------
    >>> launched(lambda command, tasks, nodes: f"run -n {tasks * nodes} {command}", "work", 1, 2, "/scripts")
    'run -n 2 work'
    """
    arguments = (command, tasks_per_node, nodes_per_block, script_dir)
    try:
        inspect.signature(launcher).bind(*arguments)
    except (TypeError, ValueError):
        arguments = arguments[:3]  # type: ignore[assignment]
    text: str = launcher(*arguments)
    return text
