"""What runs on a worker.

The modules of this package import the standard library, cloudpickle and each other (by relative
imports), and nothing else of ``parsl_on_dask``: they are sent as text to the workers of clusters that
do not have the package installed (see :mod:`parsl_on_dask.clusters.bootstrap`).
"""
