"""What a Config takes and what it says about arguments that it cannot take."""

from __future__ import annotations

import pickle
import warnings

import pytest

import parsl_on_dask
from parsl_on_dask.config import Config
from parsl_on_dask.dataflow.memoization import BasicMemoizer
from parsl_on_dask.errors import ConfigurationError, NoDataFlowKernelError, TypeCheckError
from parsl_on_dask.executors import DaskExecutor, HighThroughputExecutor, ThreadPoolExecutor
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from tests.helpers import shown


@pytest.fixture(autouse=True)
def every_warning_is_new():
    legacy.forget_warnings()


def test_without_executors_there_is_a_thread_pool():
    (executor,) = Config().executors
    assert isinstance(executor, ThreadPoolExecutor)
    assert (executor.label, executor.max_threads) == ("threads", 2)


@pytest.mark.parametrize("none", [[], (), iter(())])
def test_no_executor_at_all_can_be_said_and_not_be_loaded(none):
    config = Config(executors=none)
    assert config.executors == ()
    with pytest.raises(ConfigurationError, match=r"at least one executor.*add_executors"):
        parsl_on_dask.load(config)
    with pytest.raises(NoDataFlowKernelError):
        parsl_on_dask.dfk()


def test_executors_can_be_any_iterable_and_cannot_be_replaced():
    config = Config(executors=(ThreadPoolExecutor(label=name) for name in "ab"))
    assert [e.label for e in config.executors] == ["a", "b"]
    with pytest.raises(AttributeError):
        config.executors = []


def test_labels_must_be_unique():
    with pytest.raises(ConfigurationError, match=r"unique labels \(label='x'\)"):
        Config(executors=[ThreadPoolExecutor(label="x"), HighThroughputExecutor(label="x")])


def test_a_label_that_became_a_duplicate_is_found_at_load():
    config = Config(executors=[ThreadPoolExecutor(label="x"), ThreadPoolExecutor(label="y")])
    config.executors[1].label = "x"
    with pytest.raises(ConfigurationError, match="unique"):
        config.validate()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (ThreadPoolExecutor(), r"executors=\[ThreadPoolExecutor\(\.\.\.\)\]"),
        ("threads", "Write a list"),
        ([ThreadPoolExecutor], r"Give instances, not classes: executors=\[ThreadPoolExecutor\(\)\]"),
        ([3], "not an int"),
        (3, "not an int"),
    ],
)
def test_executors_of_the_wrong_type(wrong, hint):
    with pytest.raises(TypeError, match=hint):
        Config(executors=wrong)


@pytest.mark.parametrize(
    "argument",
    [
        {"retries": -1},
        {"retries": "3"},
        {"retries": None},
        {"exit_mode": "leave"},
        {"exit_mode": None},
        {"strategy": "fancy"},
        {"strategy": 0},
        {"strategy_period": 0},
        {"max_idletime": -1},
        {"max_idletime": float("nan")},
        {"internal_tasks_max_threads": 0},
        {"garbage_collect": "no"},
        {"retry_handler": 3},
        {"std_autopath": "logs"},
        {"run_dir": None},
        {"run_dir": ""},
        {"usage_tracking": 4},
        {"usage_tracking": None},
        {"usage_tracking": 1.0},
        {"project_name": 3},
        {"initialize_logging": "yes"},
        {"memoizer": object()},
        {"dependency_resolver": object()},
        {"checkpoint_mode": "sometimes"},
        {"checkpoint_files": "runinfo/000/checkpoint"},
        {"lazy_errors": False},
        {"app_cache": 1},
    ],
    ids=shown,
)
def test_wrong_arguments_name_themselves(argument):
    (name,) = argument
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ParslDeprecationWarning)
        with pytest.raises(ConfigurationError) as caught:
            Config(**argument)
    assert str(caught.value).startswith(f"Config({name}=")


def test_a_wrong_type_is_a_type_error_under_the_name_that_parsl_scripts_know():
    with pytest.raises(TypeError) as caught:
        Config(usage_tracking="abcd")
    assert issubclass(caught.type, TypeCheckError)
    assert caught.type.__name__ == "TypeCheckError"


@pytest.mark.parametrize("name", ["retries", "strategy", "exit_mode"])
def test_what_is_set_after_construction_is_checked_too(name):
    config = Config()
    setattr(config, name, -1)
    with pytest.raises(ConfigurationError, match=name):
        config.validate()


def test_monitoring_takes_a_hub():
    with pytest.raises(ConfigurationError, match="monitoring"):
        Config(monitoring=object())
    config = Config()
    config.monitoring = "sqlite:///monitoring.db"
    with pytest.raises(ConfigurationError, match="monitoring"):
        config.validate()


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ({"checkpoint_mode": "task_exit"}, "checkpoint_mode"),
        ({"checkpoint_files": ["runinfo/000/checkpoint"]}, "checkpoint_files"),
        ({"checkpoint_period": "00:10:00"}, "checkpoint_period"),
        ({"app_cache": False}, "memoize"),
    ],
)
@pytest.mark.filterwarnings("ignore::parsl_on_dask.old_spellings.legacy.ParslDeprecationWarning")
def test_old_spellings_beside_a_memoizer_are_refused(argument, name):
    with pytest.raises(ConfigurationError, match=rf"BasicMemoizer\({name}="):
        Config(memoizer=BasicMemoizer(), **argument)


@pytest.mark.filterwarnings("ignore::parsl_on_dask.old_spellings.legacy.ParslDeprecationWarning")
def test_checkpoint_files_are_kept_as_they_were_given():
    assert Config(checkpoint_files=[]).checkpoint_files == []
    assert Config(checkpoint_files=["a", ["b"]], checkpoint_mode="manual").checkpoint_files == ["a", ["b"]]
    assert Config(checkpoint_files=[[]], checkpoint_period="00:10:00").checkpoint_files == [[]]


@pytest.mark.parametrize(
    ("argument", "today"),
    [
        ({"app_cache": True}, "BasicMemoizer"),
        ({"checkpoint_files": []}, "BasicMemoizer"),
        ({"checkpoint_period": "00:10:00"}, "BasicMemoizer"),
        ({"data_management_max_threads": 4}, "internal_tasks_max_threads"),
        ({"lazy_errors": True}, "leave it out"),
        ({"strategy": None}, "'none'"),
    ],
)
def test_old_spellings_are_reported_once_where_they_are_written(argument, today):
    with pytest.warns(ParslDeprecationWarning, match=today) as caught:
        Config(**argument)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Config(**argument)


@pytest.mark.filterwarnings("ignore::parsl_on_dask.old_spellings.legacy.ParslDeprecationWarning")
def test_old_spellings_do_what_they_did():
    assert Config(data_management_max_threads=4).internal_tasks_max_threads == 4


def test_repr_is_a_constructor_call():
    config = Config(executors=[DaskExecutor("tcp://localhost:8786")], retries=2)
    again = eval(repr(config), {"Config": Config, "DaskExecutor": DaskExecutor})
    assert repr(again) == repr(config)
    assert "retries=2" in repr(config)


def test_a_config_can_be_pickled():
    config = Config(executors=[HighThroughputExecutor(available_accelerators=2), ThreadPoolExecutor()], retries=1)
    assert repr(pickle.loads(pickle.dumps(config))) == repr(config)


@pytest.mark.parametrize("name", ["local_threads", "htex_local"])
def test_sample_configurations(name):
    module = __import__(f"parsl_on_dask.configs.{name}", fromlist=["config"])
    module.config.validate()
