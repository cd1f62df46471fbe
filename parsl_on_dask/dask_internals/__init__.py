"""The private parts of distributed, dask and dask-jobqueue that this package uses: each with its reason, nowhere else.

``tests/dask_internals`` has a test of each function's name, which fails when the private part changes. What runs on
workers has a module of its own, :mod:`parsl_on_dask.remote.internals`.
"""
