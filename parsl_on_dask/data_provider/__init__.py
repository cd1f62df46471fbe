"""Files, and how they get to where an app runs."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
