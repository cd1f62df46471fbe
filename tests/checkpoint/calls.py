"""Calls whose cache keys are compared with those that Parsl 2026.10.26 computes for them.

This module imports neither package, so that both can read it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def double(x, inputs=(), outputs=()):
    return 2 * x


def another(x):
    return x


def command(x, times=3, stdout=None):
    return f"echo {x}"


def noisy(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@noisy
def decorated(x):
    return x


unnamed = lambda x: x  # noqa: E731


class Sample:
    """A type that somebody registers with id_for_memo."""

    def __init__(self, name):
        self.name = name


def sample_id(sample, output_ref=False):
    return ["sample", sample.name, output_ref]


class Text(str):
    pass


@dataclass
class Call:
    name: str
    kind: str
    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()


CALLS = [
    Call("no arguments", "python", another),
    Call("int", "python", another, (1,)),
    Call("float", "python", another, (1.0,)),
    Call("bool", "python", another, (True,)),
    Call("none", "python", another, (None,)),
    Call("str", "python", another, ("wörter",)),
    Call("long str", "python", another, ("x" * 70000,)),
    Call("str subclass", "python", another, (Text("a"),)),
    Call("big int", "python", another, (10**50,)),
    Call("keyword", "python", another, (), {"x": 1}),
    Call("keywords in another order", "python", another, (), {"b": 1, "a": 2}),
    Call("list", "python", another, ([1, "a", None, [2.5]],)),
    Call("tuple", "python", another, ((1, "a", None, (2.5,)),)),
    Call("same value twice", "python", another, (["a", "a"], "a", "a")),
    Call("long list", "python", another, (list(range(3000)),)),
    Call("dict", "python", another, ({"b": [1], "a": {"c": ()}},)),
    Call("empty containers", "python", another, ([], (), {})),
    Call("function", "python", another, (double,)),
    Call("function twice", "python", another, ([double, double],)),
    Call("function in dict", "python", another, ({"f": double, "g": double},)),
    Call("registered type", "python", another, (Sample("w"), [Sample("v")])),
    Call("inputs and outputs", "python", double, (1,), {"inputs": ["a"], "outputs": [Sample("o")]}),
    Call("outputs tuple", "python", double, (1,), {"outputs": (Sample("o"),)}),
    Call("ignored", "python", another, (1,), {"seed": 5, "y": 2}, ("seed",)),
    Call("decorated", "python", decorated, (1,)),
    Call("lambda", "python", unnamed, (1,)),
    Call("builtin", "python", math.sqrt, (4.0,)),
    Call("walltime", "walltime", another, (1,), {"walltime": 5}),
    Call("bash", "bash", command, ("a",), {"times": 3, "stdout": None}),
    Call("bash walltime", "bash", command, ("a",), {"walltime": 1.5}),
    Call("bash ignored stdout", "bash", command, ("a",), {"times": 3, "stdout": "x.out"}, ("stdout",)),
]
