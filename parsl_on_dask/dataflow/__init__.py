"""What happens to a call: kernel, task records and states, futures, dependencies, retries, joins."""

from parsl_on_dask.importing.lazily import lazily

__getattr__, __dir__ = lazily(__name__)
