"""Parsl's certificates for ZeroMQ, which is not used here."""

from __future__ import annotations

import os
from typing import NoReturn

from parsl_on_dask.errors import ConfigurationError


def create_certificates(base_dir: str | os.PathLike[str]) -> NoReturn:
    """Refused: workers talk TLS, with certificates that are made for the run and kept in memory.

    Raises
    ------
    ConfigurationError
        Always.
    """
    raise ConfigurationError(
        f"create_certificates({os.fspath(base_dir)!r}): ZeroMQ is not used here, so nothing would read them. Executors "
        "with encrypted=True, the default, make their certificates themselves."
    )
