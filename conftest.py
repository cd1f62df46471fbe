"""For tests and for examples in docstrings."""

import os
import sys
from importlib.util import find_spec

# a run starts hundreds of interpreters, none of which is to compile the package again
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# modules that cannot be imported without an extra have no examples to run then
collect_ignore = [] if find_spec("proxystore") and find_spec("dill") else ["parsl_on_dask/serialize/proxystore.py"]
