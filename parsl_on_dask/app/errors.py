"""What can go wrong in an app, at the place where Parsl has it: see :mod:`parsl_on_dask.common.app_errors`."""

from __future__ import annotations

from parsl_on_dask.common.app_errors import (
    AppBadFormatting,
    AppException,
    AppKilled,
    AppTimeout,
    BadStdStreamFile,
    BadStdStreamSpec,
    BashAppNoReturn,
    BashExitFailure,
    MissingInputs,
    MissingOutputs,
    NotFutureError,
    P,
    R,
    RemoteException,
    RemoteExceptionWrapper,
    StagingError,
    wrap_error,
)
from parsl_on_dask.old_spellings.legacy import moved

#: What a command that failed raised until 0.9.
__getattr__ = moved(__name__, {"AppFailure": "app.errors:BashExitFailure"})

__all__ = [
    "AppBadFormatting",
    "AppException",
    "AppKilled",
    "AppTimeout",
    "BadStdStreamFile",
    "BadStdStreamSpec",
    "BashAppNoReturn",
    "BashExitFailure",
    "MissingInputs",
    "MissingOutputs",
    "NotFutureError",
    "P",
    "R",
    "RemoteException",
    "RemoteExceptionWrapper",
    "StagingError",
    "wrap_error",
]
