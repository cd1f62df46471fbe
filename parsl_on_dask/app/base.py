"""What every app is: a function, and how its calls become tasks."""

from __future__ import annotations

import functools
import sys
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, overload

from parsl_on_dask.app.bound import BoundApp
from parsl_on_dask.app.old import no_walltime
from parsl_on_dask.app.options import checked_cache, checked_executors, checked_kernel, checked_names
from parsl_on_dask.app.shape import CallShape, plain_function
from parsl_on_dask.common.mistakes import missing_from_app, on_a_worker
from parsl_on_dask.dataflow.futures import AppFuture
from parsl_on_dask.errors import NoDataFlowKernelError
from parsl_on_dask.remote.apps import rebuild

if TYPE_CHECKING:
    from parsl_on_dask.checkpoint.policy import Cache
    from parsl_on_dask.common.call_options import CallOptions
    from parsl_on_dask.dataflow.dflow import DataFlowKernel

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A", bound="AppBase[..., Any]")

Executors = Sequence[str] | Literal["all"]

#: Label of the threads in the submitting process that run the bodies of join apps.
INTERNAL = "_parsl_internal"


class AppBase(Generic[P, R], metaclass=ABCMeta):
    """A function whose calls are tasks: what :func:`python_app`, :func:`bash_app` and :func:`join_app` make.

    Name, module, docstring and signature are the function's, and ``__wrapped__`` is the function. As an
    attribute of a class, an app whose function begins with ``self`` (or ``cls``) is a method:
    ``obj.app(x)`` gives it ``obj``, which Parsl does not.

    Parameters
    ----------
    func : callable
    data_flow_kernel : DataFlowKernel, optional
        Default: the one that is loaded when the app is called.
    executors : list of str or 'all', default 'all'
        Labels of the executors that may run it.
    cache : bool or Cache, default False
        Whether a call with the same arguments may be answered with an earlier result.
    ignore_for_cache : sequence of str, optional
        Parameters that do not count as arguments for that.
    walltime : int, optional
        Refused: give the function a parameter of that name.

    Raises
    ------
    ConfigurationError
        When something of this cannot be meant; for a wrong type it is a ``TypeError``, too.
    """

    #: What error texts call this kind of app.
    decorator = "app"
    #: What its calls are given, by :func:`parsl_on_dask.options`.
    options: CallOptions | None = None
    #: Whether every default of the signature goes into a call's keywords.
    all_defaults = False

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        func: Callable[..., Any],
        data_flow_kernel: DataFlowKernel | None = None,
        executors: Executors = "all",
        cache: bool | Cache = False,
        ignore_for_cache: Sequence[str] | None = None,
        *,
        walltime: float | None = None,
    ) -> None:
        decorator = self.decorator
        function = plain_function(decorator, func)
        name = function.__name__
        no_walltime(decorator, walltime)
        self._look_like(func, name)
        self.func = function
        self.data_flow_kernel: DataFlowKernel | None = checked_kernel(decorator, name, data_flow_kernel)
        self.executors = checked_executors(decorator, name, executors)
        self.cache = checked_cache(decorator, name, cache)
        self.ignore_for_cache = checked_names(decorator, name, ignore_for_cache)
        self.kwargs: dict[str, Any] = dict(self._shape.defaults)

    def _look_like(self, func: Any, name: str) -> None:
        self.__name__ = name
        self.__qualname__ = getattr(func, "__qualname__", name)
        self.__module__ = getattr(func, "__module__", None) or type(func).__module__
        self.__doc__ = getattr(func, "__doc__", None)
        self.__wrapped__ = func
        annotations = getattr(func, "__annotations__", None)
        if annotations is not None:
            self.__annotations__ = annotations

    def with_options(self: A, options: CallOptions) -> A:
        """Return the same app, whose calls are given these options."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__, options=options)
        return made

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> AppFuture[R]:
        """Make a task, and return its future at once."""

    @functools.cached_property
    def _shape(self) -> CallShape:
        return CallShape(self.__name__, self.func, self.all_defaults)

    @overload
    def __get__(self: A, instance: None, owner: type) -> A: ...

    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Callable[..., AppFuture[R]]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None or not self._shape.takes_self:
            return self
        return BoundApp(self, instance)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(missing_from_app(type(self).__name__, self.__dict__.get("__name__", "?"), name))

    def __reduce__(self) -> tuple[Any, ...]:
        # A kernel stays in its process; elsewhere an app looks for the one that is loaded there. What is known of
        # the function is found out again, since an app may travel to where only parsl_on_dask.remote exists.
        state = {name: value for name, value in self.__dict__.items() if name != "_shape"}
        state["data_flow_kernel"] = None
        return rebuild, (type(self).__module__, type(self).__qualname__), state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__module__}.{self.__qualname__}>"


_loader: Any = None


def current_kernel(app: str) -> DataFlowKernel:
    """The loaded kernel.

    Parameters
    ----------
    app : str
        Who asks, for the error.

    Raises
    ------
    NoDataFlowKernelError
        When there is none.
    """
    global _loader
    if _loader is None:  # an import statement takes as long as the rest of a call's way to the kernel
        from parsl_on_dask.dataflow.dflow import DataFlowKernelLoader

        _loader = DataFlowKernelLoader
    try:
        kernel: DataFlowKernel = _loader.dfk()
    except NoDataFlowKernelError:
        # where Dask runs a task in this thread
        thread_state = getattr(sys.modules.get("distributed.worker"), "thread_state", None)
        if not hasattr(thread_state, "execution_state"):
            raise
        raise NoDataFlowKernelError(on_a_worker(app)) from None
    return kernel
