"""The pages that show runs: ``python -m parsl_on_dask visualize`` and ``report``."""
