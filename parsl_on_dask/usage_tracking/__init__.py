"""Usage tracking levels are accepted, and nothing is ever sent."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
