"""An app that is an attribute of an object, called as a method."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parsl_on_dask.app.base import AppBase
    from parsl_on_dask.dataflow.futures import AppFuture


class BoundApp:
    # An app together with the object that it was taken from, which becomes the first argument of each call.
    # Attributes are the app's. No docstring here: the one to show is the app's, and the two exclude each other.

    __slots__ = ("__func__", "__self__")

    def __init__(self, app: AppBase[..., Any], owner: Any) -> None:
        self.__func__ = app
        self.__self__ = owner

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.__func__.__doc__

    def __call__(self, /, *args: Any, **kwargs: Any) -> AppFuture[Any]:
        app, owner = self.__func__, self.__self__
        # Parsl binds nothing, so scripts say obj.app(obj, x): they mean one obj
        if args and args[0] is owner and _fits(app, args, kwargs):
            return app(*args, **kwargs)
        return app(owner, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func__, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoundApp) and self.__func__ is other.__func__ and self.__self__ is other.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"

    @property
    def __signature__(self) -> inspect.Signature:
        whole = inspect.signature(self.__func__)
        return whole.replace(parameters=list(whole.parameters.values())[1:])


def _fits(app: AppBase[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    try:
        inspect.signature(app).bind(*args, **kwargs)
    except TypeError:
        return False
    return True
