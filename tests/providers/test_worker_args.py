"""worker-extra-args: honoured or refused."""

from __future__ import annotations

import pytest

from parsl_on_dask.providers.worker_args import WorkerOptions, worker_options


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, {}),
        ([], {}),
        ("", {}),
        (["--resources GPU=1"], {"resources": {"GPU": 1.0}}),
        (["--resources", "GPU=1,MEM=2e9"], {"resources": {"GPU": 1.0, "MEM": 2e9}}),
        (['--resources "GPU=1 MEM=2"'], {"resources": {"GPU": 1.0, "MEM": 2.0}}),
        (["--lifetime=55m", "--lifetime-stagger", "4m"], {"lifetime": 3300.0, "stagger": 240.0}),
        (["--lifetime", "3600"], {"lifetime": 3600.0}),
        (["--preload", "a.py", "--preload", "b.c"], {"preload": ("a.py", "b.c")}),
        (["--preload a.py --level 3 x"], {"preload": ("a.py",), "preload_argv": ("--level", "3", "x")}),
        (["--interface", "ib1"], {"interface": "ib1"}),
        (["--local-directory $TMPDIR", "--death-timeout 2m"], {"local_directory": "$TMPDIR", "death_timeout": 120.0}),
        (["--nthreads 4 --nworkers 2"], {"threads": 4, "processes": 2}),
        (["--nworkers auto"], {}),
        (["--no-dashboard", "--no-nanny", "--memory-limit 0", "--dashboard-address=:0"], {}),
    ],
    ids=str,
)
def test_honoured(given, expected):
    assert worker_options(given) == WorkerOptions(**expected)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--lifetime-restart"], "--lifetime-restart is refused: the node of a worker is given back"),
        (["--worker-class dask_cuda.CUDAWorker"], "--worker-class is refused"),
        (["--tls-key", "k.pem"], "certificates are made for the run"),
        (["--host 10.0.0.1"], "write interface:"),
        (["--quiet"], "workers of blocks take .*--lifetime"),
        (["--resources GPU"], "write for example 'GPU=2"),
        (["--lifetime soon"], "no time"),
        (["--lifetime"], "--lifetime needs a value"),
        (["--nthreads many"], "whole number"),
        (["gpu"], "'gpu' is no option"),
    ],
    ids=str,
)
def test_refused(given, text):
    with pytest.raises(ValueError, match=text):
        worker_options(given)
