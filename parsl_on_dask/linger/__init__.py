"""A run that outlives its script: what keeps lanes and blocks when the script has died, and how it comes back.

With ``linger`` the lanes of a kernel's executors live in a process of their own, the *resident*
(:mod:`~parsl_on_dask.linger.resident`). The script sends it calls (:mod:`~parsl_on_dask.linger.lane`) over one socket.
When the script dies, the resident goes on, and records what calls with a key return. The script that is started again
finds it by a file in the run's directory (:mod:`~parsl_on_dask.linger.records`).
"""
