"""Where log records go: one class per kind of log, given as ``Config(initialize_logging=...)``."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
