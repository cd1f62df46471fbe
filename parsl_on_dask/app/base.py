"""What every app is: a function, and how its calls become tasks."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar, overload

from parsl_on_dask.app.options import checked_cache, checked_executors, checked_kernel, checked_names, no_walltime
from parsl_on_dask.app.shape import CallShape, plain_function
from parsl_on_dask.common.mistakes import missing_from_app, on_a_worker
from parsl_on_dask.common.raising import hide_this_frame
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


class AppBase(Generic[P, R]):
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
    _extra: Mapping[str, Any] = MappingProxyType({})
    #: Whether every default of the signature goes into a call's keywords.
    all_defaults = False
    #: Whether a result is that of the future which the function returns.
    join = False

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
        made.__dict__.update(self.__dict__, options=options, _extra={"parsl_options": options})
        return made

    def _task(self, kwargs: dict[str, Any]) -> Callable[..., Any]:
        """What a worker is to call with the arguments of a call of the app; ``kwargs`` are the ones with names."""
        return self.func

    # The second form is for type checkers: any argument may be a future of what the function takes.
    @overload
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> AppFuture[R]: ...

    @overload
    def __call__(self, /, *args: Any, **kwargs: Any) -> AppFuture[R]: ...

    def __call__(self, /, *args: Any, **kwargs: Any) -> AppFuture[R]:
        """Make a task, and return its future at once.

        Raises
        ------
        TypeError
            When the arguments do not fit the function, or a bash app's ``walltime`` is no number of seconds.
        NoDataFlowKernelError
            When no kernel is loaded.
        """
        try:
            args, kwargs = self._shape.arrange(args, kwargs, self.kwargs)
        except TypeError as e:
            hide_this_frame(e)
            raise
        func = self._task(kwargs)
        kernel: DataFlowKernel | None = self.data_flow_kernel
        if kernel is None:
            kernel = current_kernel(self.__name__)
        return kernel.submit(
            func,
            app_args=args,
            executors=self.executors,
            cache=self.cache,
            ignore_for_cache=self.ignore_for_cache,
            app_kwargs=kwargs,
            join=self.join,
            **self._extra,
        )

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
