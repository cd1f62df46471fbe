"""Environment variables that hold while a call runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(variables: Mapping[str, str] | None) -> Iterator[None]:
    """Set environment variables of this process, and put back what was there.

    It is for workers that run one call at a time: other threads see the variables, too.

    Examples
    --------
    >>> with environment({"CUDA_VISIBLE_DEVICES": "2"}):
    ...     os.environ["CUDA_VISIBLE_DEVICES"]
    '2'
    """
    if not variables:
        yield
        return
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
