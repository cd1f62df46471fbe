# for type checkers; the module is a row of old_spellings/gone.py
from parsl_on_dask.executors.high_throughput.errors import ManagerLost as ManagerLost
