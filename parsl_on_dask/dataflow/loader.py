"""The kernel that apps use when they are not told which."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from parsl_on_dask.common.misspelt import explains
from parsl_on_dask.dataflow.cells import watch
from parsl_on_dask.errors import AlreadyLoadedError, ConfigurationError, NoDataFlowKernelError

if TYPE_CHECKING:
    from parsl_on_dask.config import Config
    from parsl_on_dask.dataflow.dflow import DataFlowKernel


class DataFlowKernelLoader:
    """Holds the loaded kernel of this process: ``parsl.load``, ``clear``, ``dfk``, ``wait_for_current_tasks``."""

    _dfk: ClassVar[DataFlowKernel | None] = None
    _clearing: ClassVar[DataFlowKernel | None] = None
    _lock: ClassVar[Any] = threading.RLock()

    @classmethod
    @explains
    def load(
        cls, config: Config | Any = None, close_bad_executors: bool = True, disable_cleanup: bool = False
    ) -> DataFlowKernel:
        """Start a kernel and make it the one that apps use.

        Parameters
        ----------
        config : Config, distributed.Client or Dask cluster object, optional
            Default: ``Config()``, two threads. A client or a cluster object stands for a Config with one
            :class:`~parsl_on_dask.executors.DaskExecutor` on it.
        close_bad_executors : bool, default True
            When an executor cannot be started, whether all are shut down; nothing stays loaded in either case.
        disable_cleanup : bool, default False
            Whether clean-up at interpreter exit is left to you.

        Returns
        -------
        DataFlowKernel
            Also a context manager; what leaving it does is ``Config.exit_mode``.

        Raises
        ------
        ConfigurationError
            When the Config has no executor; and, as an ``AlreadyLoadedError``, which is also a RuntimeError, when a
            kernel is loaded already.
        ExecutorError
            When an executor cannot be started.

        Examples
        --------
        >>> import parsl_on_dask as parsl  # doctest: +SKIP
        >>> with parsl.load():  # doctest: +SKIP
        ...     print(parsl.python_app(lambda: 42)().result())
        42
        """
        from parsl_on_dask.dataflow.dflow import DataFlowKernel

        with cls._lock:
            if cls._dfk is not None:
                hint = (
                    "another thread is in parsl.clear(), which waits for running tasks: load when it has returned"
                    if cls._clearing is cls._dfk
                    else "call parsl.clear() first, or use the loaded kernel, parsl.dfk()"
                )
                raise AlreadyLoadedError(f"Config has already been loaded: {hint}")
            config = as_config(config)
            if not config.executors:
                raise ConfigurationError(
                    "Config(executors=[]): parsl.load() needs at least one executor. Leave executors out for a thread "
                    "pool, or write for example executors=[HighThroughputExecutor()]. For executors that come later, "
                    "make the kernel yourself: DataFlowKernel(config), then its add_executors([...])."
                )
            cls._dfk = DataFlowKernel(config, close_bad_executors=close_bad_executors, disable_cleanup=disable_cleanup)
            watch(cls._dfk)
            return cls._dfk

    @classmethod
    def clear(cls) -> None:
        """Wait for running tasks, shut the loaded kernel down, and forget it. Quiet when nothing is loaded.

        The kernel stays loaded while tasks run, so join apps and callbacks of futures can go on calling apps, and
        these are waited for, too. Until it is forgotten, :meth:`load` refuses to load another one. To end at once, use
        the kernel's ``cleanup()``.
        """
        with cls._lock:
            kernel = cls._dfk
            if kernel is None:
                return
            if kernel.cleanup_called and not kernel.cleared:
                cls._dfk = None
                return
            cls._clearing = kernel
        try:
            if not kernel.cleanup_called:
                kernel.wait_until_idle()
            if kernel.cleanup_called and not kernel.cleared:  # another thread has cleaned it up meanwhile
                cls.unregister(kernel)
                return
            kernel.cleared = True
            kernel.cleanup()
        finally:
            with cls._lock:
                if cls._clearing is kernel:
                    cls._clearing = None

    @classmethod
    def unregister(cls, kernel: DataFlowKernel) -> None:
        """Forget a kernel that was cleaned up, if it is the loaded one."""
        if cls._dfk is kernel:
            cls._dfk = None

    @classmethod
    def dfk(cls) -> DataFlowKernel:
        """The loaded kernel.

        Raises
        ------
        NoDataFlowKernelError
            When there is none.
        """
        kernel = cls._dfk
        if kernel is None:
            raise _nothing_loaded()
        return kernel

    @classmethod
    def wait_for_current_tasks(cls, progress: bool = False) -> None:
        """Wait for all tasks that the loaded kernel has now.

        Parameters
        ----------
        progress : bool, default False
            Whether to show how far they are meanwhile.
        """
        cls.dfk().wait_for_current_tasks(progress)


def as_config(given: Any) -> Config:
    """The Config that an argument of ``load`` stands for."""
    from parsl_on_dask.common.arguments import short
    from parsl_on_dask.common.mistakes import is_client, is_cluster
    from parsl_on_dask.config import Config

    if given is None:
        return Config()
    if isinstance(given, Config):
        return given
    from parsl_on_dask.executors.dask import DaskExecutor

    if is_client(given):
        return Config(executors=[DaskExecutor(client=given)])
    if is_cluster(given):
        return Config(executors=[DaskExecutor(cluster=given)])
    raise ConfigurationError(
        f"load() takes a Config, a distributed.Client or a Dask cluster object, not {short(given)}: "
        f"{_not_a_config(given)}"
    )


def _not_a_config(given: Any) -> str:
    """What to write instead of something that ``load()`` was given."""
    import inspect

    from parsl_on_dask.config import Config
    from parsl_on_dask.executors.base import ParslExecutor

    if isinstance(given, type) and issubclass(given, Config):
        return "write parsl.load(Config(...)), with parentheses"
    if isinstance(given, ParslExecutor):
        return f"write parsl.load(Config(executors=[{type(given).__name__}(...)]))"
    if isinstance(given, (list, tuple)) and given and all(isinstance(e, ParslExecutor) for e in given):
        return "write parsl.load(Config(executors=[...]))"
    if inspect.ismodule(given) and isinstance(getattr(given, "config", None), Config):
        return f"write parsl.load({given.__name__.rpartition('.')[2]}.config)"
    if isinstance(given, str) and "://" in given:
        return f"write parsl.load(Config(executors=[DaskExecutor({given!r})]))"
    if callable(given) and not isinstance(given, type):
        return f"call it: parsl.load({getattr(given, '__name__', 'function')}())"
    return "write parsl.load(Config(executors=[...]))"


def _nothing_loaded() -> NoDataFlowKernelError:
    from parsl_on_dask.dataflow import exits

    if exits.too_late():
        return NoDataFlowKernelError(exits.too_late()[0].upper() + exits.too_late()[1:])
    text, hint = "Must first load config", "call parsl.load(), or parsl.load(Config(...))"
    if sys.version_info < (3, 11):
        return NoDataFlowKernelError(f"{text}: {hint}")
    # a line of its own below the text, which programs compare with Parsl's
    error = NoDataFlowKernelError(text)
    error.add_note(f"{hint[0].upper()}{hint[1:]}.")
    return error
