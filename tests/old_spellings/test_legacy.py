"""Old names go on working and say what they are called today."""

from __future__ import annotations

import importlib
import warnings

import pytest

from parsl_on_dask.channels import LocalChannel, OAuthSSHChannel, SSHChannel, SSHInteractiveLoginChannel
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.providers import AdHocProvider, LocalProvider, SlurmProvider


@pytest.fixture(autouse=True)
def every_warning_is_new():
    legacy.forget_warnings()


@pytest.mark.parametrize(
    ("old", "name", "new"),
    [
        ("launchers.error", "BadLauncher", "launchers.errors"),
        ("providers.error", "SubmitException", "providers.errors"),
        ("providers.provider_base", "ExecutionProvider", "providers.base"),
        ("providers.base", "JobState", "jobs.states"),
        ("executors.errors", "SerializationError", "serialize.errors"),
    ],
)
def test_moved_names_are_the_same_objects(old, name, new):
    with pytest.warns(ParslDeprecationWarning, match=rf"write parsl\.{new}\.{name}"):
        found = getattr(importlib.import_module(f"parsl_on_dask.{old}"), name)
    assert found is getattr(importlib.import_module(f"parsl_on_dask.{new}"), name)


def test_a_name_that_never_was_is_an_attribute_error():
    module = importlib.import_module("parsl_on_dask.providers.error")
    assert not hasattr(module, "nonsense")


def test_the_warning_points_at_the_users_line():
    with pytest.warns(ParslDeprecationWarning) as caught:
        LocalProvider(channel=LocalChannel())
    assert caught[0].filename == __file__


@pytest.mark.parametrize("keyword", [True, False])
def test_providers_take_a_local_channel(keyword):
    channel = LocalChannel()
    with pytest.warns(ParslDeprecationWarning, match="no channel any more"):
        provider = LocalProvider(channel=channel, nodes_per_block=3) if keyword else LocalProvider(channel, 3)
    assert provider.channel is channel
    assert provider.nodes_per_block == 3


def test_channels_over_ssh_are_refused():
    channel = SSHChannel("login.example", username="me", password="secret")
    assert (channel.hostname, channel.username) == ("login.example", "me") and "secret" not in repr(channel)
    uses = [
        lambda: LocalProvider(channel=channel),
        lambda: SlurmProvider("debug", channel=channel),
        lambda: channel.execute_wait("date"),
        lambda: channel.push_file("a", "b"),
        lambda: channel.pull_file("a", "b"),
        lambda: channel.isdir("a"),
        lambda: channel.makedirs("a"),
    ]
    said = r"Run the script on login\.example.*hosts=\['me@login\.example'\]"
    for use in uses:
        with pytest.raises(ConfigurationError, match=said):
            use()


@pytest.mark.parametrize("kind", [SSHChannel, OAuthSSHChannel, SSHInteractiveLoginChannel])
def test_an_ad_hoc_provider_over_ssh_names_its_hosts(kind):
    channels = [kind("10.0.0.2", username="me", script_dir="/tmp"), kind("10.0.0.3"), LocalChannel()]
    with pytest.raises(ConfigurationError, match=r"DaskExecutor\(hosts=\['me@10\.0\.0\.2', '10\.0\.0\.3'\]\)"):
        AdHocProvider(channels=channels)
    with pytest.raises(ConfigurationError, match=r"DaskExecutor\(hosts=\['node1', 'me@node2'\]\)"):
        AdHocProvider()


def test_warn_once_is_quiet_afterwards():
    with pytest.warns(ParslDeprecationWarning, match="first"):
        legacy.warn_once("test-key", "first")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        legacy.warn_once("test-key", "first")
