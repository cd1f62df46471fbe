"""Functions that others keep for ever, and through which they must not keep our modules.

Python never lets go of a function that is called after a fork, nor Dask of the handler of an operation; and a function
keeps its module. A worker on which this package is not installed gets its modules anew from each client, and would have
all of them in the end. So what is given away is from a module that is made once in a process, and has weak references.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

_NAME = "_parsl_on_dask_lasting"

_SOURCE = """
import os

references = []

def after_fork():
    for reference in list(references):
        function = reference()
        if function is not None:
            function()

def handler(reference, worker):
    # Dask looks at the name of the first parameter to see whether the connection is wanted
    async def handle(comm, **words):
        function = reference()
        if function is None:
            raise OSError("what should answer has gone")
        return await function(worker, comm, **words)

    return handle

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
"""


def _module() -> Any:
    module = sys.modules.get(_NAME)
    if module is None:
        module = ModuleType(_NAME)
        exec(_SOURCE, module.__dict__)
        sys.modules[_NAME] = module
    return module


def in_children(function: Callable[[], None]) -> None:
    """Have a function called in each child that this process forks, for as long as something else has the function.

    A bound method is made anew whenever somebody looks, so nobody has it.
    """
    references = _module().references
    references.append(weakref.ref(function, references.remove))


def handler(function: Callable[..., Any], worker: Any) -> Callable[..., Any]:
    """A handler of a Dask worker that calls ``function(worker, comm, ...)``, for as long as something else has that."""
    made: Callable[..., Any] = _module().handler(weakref.ref(function), worker)
    return made
