"""Where a kernel is shown while it runs."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest

from parsl_on_dask import progress, python_app
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.dflow import DataFlowKernel
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.lanes.forbidden_waits import may_wait_here
from parsl_on_dask.monitoring import screens
from tests import kernels
from tests.helpers import eventually

WARM = True


@python_app
def give(value: int) -> int:
    return value


def test_links_are_kept_for_the_user_and_printed_in_notebooks(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:

    monkeypatch.setattr(screens, "in_notebook", lambda: True)
    with caplog.at_level(logging.INFO, logger="parsl"):
        config = Config(executors=[ThreadPoolExecutor(label="pool")], run_dir=str(tmp_path), initialize_logging=False)
        kernel = DataFlowKernel(config)
        try:
            link = kernel.dashboard_link
            kept = Path(kernel.run_dir) / "dashboard.txt"
            eventually(lambda: "the link is in" in caplog.text, "it is logged")
            assert kept.read_text() == f"pool {link}\n" and kept.stat().st_mode & 0o077 == 0
        finally:
            kernel.cleanup()
    assert not kept.exists()
    # a log that others may read does not have the key
    assert f"Dask's dashboard for executor pool: the link is in {kept}" in caplog.text
    assert str(link) not in caplog.text
    assert f"Dask's dashboard for executor pool: {link}" in capsys.readouterr().out
    assert kernel.dashboard_link is None  # it is over


def test_nothing_may_wait_in_the_event_loop_in_which_a_dashboard_is_told(tmp_path: Path) -> None:
    """Executors that are kept ask another process there, and whoever reads its answers may wait for that loop."""

    async def there() -> bool:
        return may_wait_here()

    executor = HighThroughputExecutor(max_workers_per_node=1)
    with kernels.load(Config(executors=[executor], run_dir=str(tmp_path))) as kernel:
        eventually(lambda: kernel.views.reporters, "the dashboard is there")
        eventually(lambda: not kernel.views.reporters[0].client.sync(there), "it is told in a loop that must not wait")


def test_existing_clusters_keep_their_own_pages(existing_cluster: str) -> None:

    with kernels.load(Config(executors=[DaskExecutor(existing_cluster)], initialize_logging=False)) as kernel:
        link = kernel.dashboard_link
        assert link is None or link.endswith("/status")
        assert not kernel.views.reporters
        out = io.StringIO()
        futures = [give(i) for i in range(3)]
        progress(futures, file=out)
        assert "3 of 3 tasks ended: 3 done" in out.getvalue()
