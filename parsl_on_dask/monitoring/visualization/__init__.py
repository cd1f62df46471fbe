"""Where Parsl keeps its web pages. Ours are in :mod:`parsl_on_dask.monitoring.pages`."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
