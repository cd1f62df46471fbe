"""States of the jobs that blocks of workers run in, and what to do when jobs fail."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
