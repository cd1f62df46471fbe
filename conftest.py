"""Modules that cannot be imported without an extra have no examples to run then."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("proxystore") and find_spec("dill") else ["parsl_on_dask/serialize/proxystore.py"]
