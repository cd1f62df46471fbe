"""The stand-in for a finished future that was nested in a container."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any


class FinishedFuture(Future):  # type: ignore[type-arg]
    """A future that is done, and that can also be used as if it were its value.

    An app that is called with a list of futures starts when all of them are done and finds these in
    their places: ``[f.result() for f in futures]`` works, and so does ``[x for part in futures for x in part]``.
    ``concurrent.futures.wait`` and ``as_completed`` accept it.

    - `value`: the result of the future.

    Examples
    --------
    >>> f = FinishedFuture([1, 2])
    >>> f.result(), f.done(), len(f), f[1], f + [3]
    ([1, 2], True, 2, 2, [1, 2, 3])
    """

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.set_result(value)

    def __reduce__(self) -> tuple[Any, ...]:
        return (FinishedFuture, (self.result(),))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # Future's own machinery, and probes for protocols
            raise AttributeError(name)
        return getattr(self.result(), name)

    def __repr__(self) -> str:
        return f"<finished future with value {self.result()!r}>"

    def __str__(self) -> str:
        return str(self.result())

    def __hash__(self) -> int:
        return hash(self.result())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.result())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.result()(*args, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.result()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.result()[key]

    def __contains__(self, item: Any) -> bool:
        return item in self.result()


def _plain(value: Any) -> Any:
    return value.result() if isinstance(value, FinishedFuture) else value


def _unary(function: Callable[[Any], Any]) -> Callable[[FinishedFuture], Any]:
    return lambda self: function(self.result())


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[FinishedFuture, Any], Any]:
    return lambda self, other: function(self.result(), _plain(other))


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[FinishedFuture, Any], Any]:
    return lambda self, other: function(_plain(other), self.result())


def _rounded(self: FinishedFuture, ndigits: int | None = None) -> Any:
    return round(self.result()) if ndigits is None else round(self.result(), ndigits)


_UNARY: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "index": operator.index,
    "neg": operator.neg,
    "pos": operator.pos,
    "abs": abs,
    "invert": operator.invert,
    "reversed": reversed,
    "bytes": bytes,
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, f"__{name}__") for name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem")
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    **{
        name: getattr(operator, f"__{name}__")
        for name in (
            *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"),
            *("lshift", "rshift", "and", "or", "xor"),
        )
    },
    "divmod": divmod,
}

for _name, _function in _UNARY.items():
    setattr(FinishedFuture, f"__{_name}__", _unary(_function))
for _name, _function2 in _BINARY.items():
    setattr(FinishedFuture, f"__{_name}__", _binary(_function2))
for _name, _function2 in _ARITHMETIC.items():
    setattr(FinishedFuture, f"__{_name}__", _binary(_function2))
    setattr(FinishedFuture, f"__r{_name}__", _reflected(_function2))
setattr(FinishedFuture, "__round__", _rounded)  # noqa: B010 (mypy knows no assignment to a method)
