"""Where Parsl keeps its web pages. Ours are in :mod:`parsl_on_dask.monitoring.pages`."""
