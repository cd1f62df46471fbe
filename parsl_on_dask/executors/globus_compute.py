"""The executor that gives calls to endpoints of Globus Compute."""

from __future__ import annotations

import copy
import importlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from parsl_on_dask.common.arguments import need, wrong_type
from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.executors.base import ParslExecutor
from parsl_on_dask.utils import RepresentationMixin

logger = logging.getLogger("parsl.executors.globus_compute")


def sdk_executor() -> Any:
    """The class ``globus_compute_sdk.Executor``.

    Raises
    ------
    OptionalModuleMissing
        Without ``globus-compute-sdk``.
    """
    try:
        return importlib.import_module("globus_compute_sdk").Executor
    except ImportError as e:
        raise OptionalModuleMissing(
            ["globus_compute_sdk"], "GlobusComputeExecutor needs it: pip install globus-compute-sdk"
        ) from e


class GlobusComputeExecutor(ParslExecutor, RepresentationMixin):
    """Runs calls on an endpoint of Globus Compute, through the SDK's own executor. Dask has no part in it.

    The endpoint needs what the SDK asks for: nearly the same Python, and the modules that the functions use. For bash
    apps and apps with files or a ``walltime`` that is this package, too.

    Parameters
    ----------
    executor : globus_compute_sdk.Executor
        It is shut down with the kernel.
    label : str, default "GlobusComputeExecutor"
    storage_access : list of Staging, optional
        Staging providers for the files of its apps.
    working_dir : str, optional
        Directory for these files, on the side of the endpoint.

    Raises
    ------
    OptionalModuleMissing
        Without ``globus-compute-sdk``.
    TypeCheckError
        When ``executor`` is something else.

    Examples
    --------
    >>> from globus_compute_sdk import Executor  # doctest: +SKIP
    >>> GlobusComputeExecutor(Executor(endpoint_id="4b116d3c-1703-4f8f-9f6f-39921e5864df"))  # doctest: +SKIP
    """

    def __init__(
        self,
        executor: Any,
        label: str = "GlobusComputeExecutor",
        storage_access: Sequence[Any] | None = None,
        working_dir: str | None = None,
    ) -> None:
        owner = type(self).__name__
        if not isinstance(executor, sdk_executor()):
            hint = f"Write {owner}(executor=globus_compute_sdk.Executor(endpoint_id='...'))."
            raise wrong_type(owner, "executor", executor, "a globus_compute_sdk.Executor", hint)
        need(owner, "label", label, str)
        need(owner, "working_dir", working_dir, str, type(None), hint="Write a path.")
        super().__init__()
        self.executor = executor
        self.label = label
        self.storage_access = storage_access
        self.working_dir = working_dir
        #: What holds for calls that do not say otherwise.
        self.resource_specification = executor.resource_specification
        self.user_endpoint_config = executor.user_endpoint_config
        # the SDK's executor takes these two from its attributes, and apps are called in several threads
        self._lock = threading.Lock()
        self._used = False

    def submit(
        self, func: Callable[..., Any], resource_specification: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        """Give a call to the endpoint.

        Parameters
        ----------
        func : callable
        resource_specification : dict
            What the endpoint's engine takes. Its key ``user_endpoint_config`` has the configuration of the endpoint for
            this call. Default: what the SDK's executor was made with.
        *args, **kwargs
            Those of the function.
        """
        spec = copy.deepcopy(resource_specification or self.resource_specification)
        endpoint = self.user_endpoint_config
        if spec:
            endpoint = spec.pop("user_endpoint_config", endpoint)
        with self._lock:
            self._used = True
            try:
                self.executor.resource_specification = spec
                self.executor.user_endpoint_config = endpoint
                future: Future[Any] = self.executor.submit(func, *args, **kwargs)
            finally:
                self.executor.resource_specification = self.resource_specification
                self.executor.user_endpoint_config = self.user_endpoint_config
        return future

    def shutdown(self) -> None:
        """End the SDK's executor, without waiting: calls that are on their way go on at the endpoint."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        # Its thread that waits for results would hold up the end of the interpreter. The SDK has no public way to it,
        # and makes one, which goes to the network, where there is none.
        watcher = getattr(self.executor, "_get_result_watcher", None)
        if self._used and watcher is not None:
            try:
                watcher().shutdown(wait=False, cancel_futures=True)
            except Exception:
                logger.exception("The result watcher of executor %s cannot be ended", self.label)
        super().shutdown()
