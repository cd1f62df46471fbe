"""Calls go to Globus Compute through the SDK's executor; here a stand-in for that, which has its interface."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import cloudpickle
import pytest

import parsl_on_dask as parsl
from parsl_on_dask.check.explaining import explain
from parsl_on_dask.errors import OptionalModuleMissing, TypeCheckError
from parsl_on_dask.executors import GlobusComputeExecutor

WAIT = 60


class Watcher:
    def __init__(self):
        self.ended = []

    def shutdown(self, wait=True, cancel_futures=False):
        self.ended.append((wait, cancel_futures))


class Executor:
    def __init__(self, endpoint_id=None, resource_specification=None, user_endpoint_config=None):
        self.endpoint_id = endpoint_id
        self.resource_specification = resource_specification
        self.user_endpoint_config = user_endpoint_config
        self.pool = ThreadPoolExecutor(2)
        self.seen = []
        self.ended = []
        self.watcher = Watcher()

    def submit(self, fn, *args, **kwargs):
        before = self.resource_specification, self.user_endpoint_config
        call = cloudpickle.loads(cloudpickle.dumps((fn, args, kwargs)))
        assert (self.resource_specification, self.user_endpoint_config) == before, "another call came between"
        self.seen.append(before)
        return self.pool.submit(call[0], *call[1], **call[2])

    def _get_result_watcher(self):
        return self.watcher

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.ended.append((wait, cancel_futures))
        self.pool.shutdown(wait=wait, cancel_futures=cancel_futures)


@pytest.fixture(autouse=True)
def sdk(monkeypatch):
    module = ModuleType("globus_compute_sdk")
    module.Executor = Executor
    monkeypatch.setitem(sys.modules, "globus_compute_sdk", module)


def asks(x, parsl_resource_specification=None):
    return x


def test_apps_run_there(tmp_path):
    theirs = Executor("an endpoint", {"nodes": 1}, {"queue": "debug"})
    here = parsl.executors.ThreadPoolExecutor(label="here")
    config = parsl.Config(executors=[GlobusComputeExecutor(theirs, "there"), here], run_dir=str(tmp_path))
    assert "runs its calls itself" in explain(config).executors[0].becomes
    with parsl.load(config):
        there, local = parsl.python_app(divmod, executors=["there"]), parsl.python_app(sum, executors=["here"])
        first = there(17, 5)
        assert local(first).result(WAIT) == 5
        assert there(local([8, 9]), 5).result(WAIT) == (3, 2)
        with pytest.raises(ZeroDivisionError):
            there(1, 0).result(WAIT)
        command = parsl.bash_app(lambda stdout: "echo done", executors=["there"])
        assert command(stdout=str(tmp_path / "out")).result(WAIT) == 0
        assert (tmp_path / "out").read_text() == "done\n"
    assert theirs.seen == [({"nodes": 1}, {"queue": "debug"})] * 4
    assert theirs.ended == theirs.watcher.ended == [(False, True)]


def test_what_a_call_asks_for(tmp_path):
    theirs = Executor("an endpoint", {"nodes": 1}, {"queue": "debug"})
    with parsl.load(parsl.Config(executors=[GlobusComputeExecutor(theirs)], run_dir=str(tmp_path))):
        app = parsl.python_app(asks)
        mine = {"nodes": 2, "user_endpoint_config": {"queue": "long"}}
        assert app(1, parsl_resource_specification=mine).result(WAIT) == 1
        assert app(2, parsl_resource_specification={"nodes": 3}).result(WAIT) == 2
        assert app(3).result(WAIT) == 3
    assert theirs.seen == [
        ({"nodes": 2}, {"queue": "long"}),
        ({"nodes": 3}, {"queue": "debug"}),
        ({"nodes": 1}, {"queue": "debug"}),
    ]
    assert mine == {"nodes": 2, "user_endpoint_config": {"queue": "long"}}
    assert (theirs.resource_specification, theirs.user_endpoint_config) == ({"nodes": 1}, {"queue": "debug"})


def test_calls_of_several_threads_do_not_mix():
    theirs = Executor("an endpoint")
    executor = GlobusComputeExecutor(theirs)
    inside, go_on = threading.Event(), threading.Event()
    plain = theirs.submit

    def held(fn, *args):
        inside.set()
        assert go_on.wait(WAIT)
        return plain(fn, *args)

    theirs.submit = held
    first = threading.Thread(target=executor.submit, args=(abs, {"n": 1}, -1))
    first.start()
    assert inside.wait(WAIT)
    second = threading.Thread(target=executor.submit, args=(abs, {"n": 2}, -2))
    second.start()
    assert theirs.resource_specification == {"n": 1}
    go_on.set()
    first.join(WAIT)
    second.join(WAIT)
    assert theirs.seen == [({"n": 1}, None), ({"n": 2}, None)]
    executor.shutdown()


def test_the_end_of_one_that_was_not_used_makes_no_connection():
    theirs = Executor("an endpoint")
    theirs._get_result_watcher = lambda: pytest.fail("it asks for a watcher")
    GlobusComputeExecutor(theirs).shutdown()
    assert theirs.ended == [(False, True)]


def test_a_watcher_that_cannot_be_had_is_logged(caplog):
    theirs = Executor("an endpoint")
    theirs._get_result_watcher = lambda: 1 / 0
    executor = GlobusComputeExecutor(theirs, "there")
    assert executor.submit(abs, {}, -1).result(WAIT) == 1
    executor.shutdown()
    assert "The result watcher of executor there cannot be ended" in caplog.text


def test_wrong_arguments():
    with pytest.raises(TypeCheckError, match=r"a globus_compute_sdk.Executor.*Write GlobusComputeExecutor\(executor="):
        GlobusComputeExecutor("4b116d3c-1703-4f8f-9f6f-39921e5864df")
    with pytest.raises(TypeCheckError, match="working_dir"):
        GlobusComputeExecutor(Executor(), working_dir=3)


def test_without_the_sdk(monkeypatch):
    monkeypatch.setitem(sys.modules, "globus_compute_sdk", None)
    with pytest.raises(OptionalModuleMissing, match="pip install globus-compute-sdk"):
        GlobusComputeExecutor(Executor())


def test_sample_configurations():
    from parsl_on_dask.configs import gc_multisite, gc_tutorial

    with pytest.raises(AttributeError, match="no attribute 'other'"):
        gc_tutorial.other  # noqa: B018
    [tutorial] = gc_tutorial.config.executors
    assert gc_tutorial.config is gc_tutorial.config
    assert tutorial.executor.endpoint_id == gc_tutorial.tutorial_endpoint
    assert [e.label for e in gc_multisite.config.executors] == ["Perlmutter", "Expanse"]
