# for type checkers; the module is a row of old_spellings/gone.py
from parsl_on_dask.providers.base import ExecutionProvider as ExecutionProvider
