"""What a user writes: apps, their errors, and the files that they promise."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
