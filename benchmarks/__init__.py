"""Compare parsl_on_dask with Parsl and with bare Dask, in one run, as ratios of medians.

``python -m benchmarks --help`` says how. The parts: ``catalogue`` (what is measured), ``rows`` (what is aimed at),
``workloads`` (each workload, written once), ``systems`` (the three systems behind one small interface),
``script`` (what runs inside one measurement), ``runner`` and ``processes`` (one measurement as a fresh process, and
its end), ``report`` (medians, ratios, tables), ``setup_parsl`` (an environment with Parsl in it).
"""
