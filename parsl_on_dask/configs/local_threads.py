"""Apps in two threads of the script's own process."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors.threads import ThreadPoolExecutor

config = Config(executors=[ThreadPoolExecutor()])
