"""Providers of clouds: descriptions that need no network, and the clusters that they become."""

from __future__ import annotations

import json
import socket
import sys
import types

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.errors import ConfigurationError, ExecutorError, OptionalModuleMissing
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import AWSProvider, AzureProvider, GoogleCloudProvider, KubernetesProvider

MACHINE = {"vm_size": "S", "disk_size_gb": 30, "publisher": "p", "offer": "o", "sku": "s", "version": "v"}
MAKERS = {
    "aws": lambda **more: AWSProvider("ami-1", "key", **more),
    "azure": lambda **more: AzureProvider(dict(MACHINE), **more),
    "google-cloud": lambda **more: GoogleCloudProvider("p", "k.json", "us-central1", "debian-cloud", "debian", **more),
    "kubernetes": lambda **more: KubernetesProvider("image", **more),
}


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a constructor used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def cloud(monkeypatch):
    """Stands for the packages that make clusters in clouds: it makes them here."""
    from distributed import LocalCluster

    made = []

    class Cluster(LocalCluster):
        def __init__(self, n_workers=None, custom_cluster_spec=None, **arguments):
            made.append((arguments, custom_cluster_spec))
            self.arguments = arguments
            super().__init__(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)

    def make_cluster_spec(name, image, n_workers, resources):
        container = {"name": "worker", "image": image, "args": [], "resources": resources}
        worker = {"replicas": n_workers, "spec": {"containers": [container]}}
        return {"metadata": {"name": name}, "spec": {"worker": worker}}

    for package, name in (
        ("dask_cloudprovider.aws", "EC2Cluster"),
        ("dask_cloudprovider.azure", "AzureVMCluster"),
        ("dask_cloudprovider.gcp", "GCPCluster"),
        ("dask_kubernetes.operator", "KubeCluster"),
    ):
        top = package.partition(".")[0]
        monkeypatch.setitem(sys.modules, top, types.ModuleType(top))
        module = types.ModuleType(package)
        setattr(module, name, Cluster)
        module.make_cluster_spec = make_cluster_spec
        monkeypatch.setitem(sys.modules, package, module)
    return made


@pytest.mark.parametrize("name", MAKERS)
def test_constructors_do_not_touch_the_network(no_network, name):
    provider = MAKERS[name](max_blocks=7)
    assert (provider.max_blocks, provider.min_blocks) == (7, 0)
    assert repr(provider).startswith(type(provider).__name__)
    assert provider.status([]) == [] and provider.status_polling_interval == 60


def test_a_password_is_not_shown():
    machine = {**MACHINE, "admin_username": "me", "password": "hush", "client_secret": "hush"}
    provider = AzureProvider(machine)
    assert provider.vm_reference["password"] == "hush"
    for text in (repr(provider), repr(parsl.Config(executors=[HighThroughputExecutor(provider=provider)]))):
        assert "hush" not in text
        assert "'admin_username': 'me', 'password': '***'" in text


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_not_installed_is_named_when_the_kernel_is_loaded(monkeypatch, tmp_path, name):
    provider = MAKERS[name]()
    monkeypatch.setitem(sys.modules, provider.package, None)
    config = parsl.Config(executors=[HighThroughputExecutor(provider=provider)], run_dir=str(tmp_path))
    with pytest.raises(OptionalModuleMissing, match=rf"pip install 'parsl-on-dask\[{name}\]'"):
        parsl.load(config)


@pytest.mark.parametrize("name", sorted(MAKERS.keys() - {"kubernetes"}))
def test_shell_commands_are_not_jobs_of_a_cloud(name):
    with pytest.raises(ConfigurationError, match=r"DaskExecutor\(cluster="):
        MAKERS[name]().submit("date", 1)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: AWSProvider("ami", "key", nodes_per_block=2), "max_blocks="),
        (lambda: AWSProvider("ami", "key", linger=True), "linger"),
        (lambda: AWSProvider(3, "key"), "image_id"),
        (lambda: AzureProvider({"vm_size": "S"}), "publisher, offer, sku, version is missing"),
        (lambda: AzureProvider(MACHINE, linger=True), "linger"),
        (lambda: KubernetesProvider("image", nodes_per_block=2), "max_blocks="),
        (lambda: KubernetesProvider("image", max_cpu=0), "max_cpu"),
        (lambda: KubernetesProvider("image", min_blocks=3, max_blocks=2), "min_blocks"),
    ],
)
def test_what_cannot_be_honoured(make, text):
    with pytest.raises(ConfigurationError, match=text):
        make()


def test_apps_run_on_the_cluster_that_the_provider_makes(cloud, tmp_path):
    provider = KubernetesProvider("image", init_blocks=1, min_blocks=1, max_blocks=1)
    config = parsl.Config(executors=[HighThroughputExecutor("pods", provider=provider)], run_dir=str(tmp_path))
    with parsl.load(config) as dfk:
        assert parsl.python_app(divmod)(7, 2).result() == (3, 1)
        cluster = dfk.executors["pods"].lane.cluster.made
    assert cluster.status.name == "closed"


def test_a_cluster_that_cannot_be_made_says_which(cloud, monkeypatch, tmp_path):
    def fail(**arguments):
        raise OSError("no credentials")

    monkeypatch.setattr(sys.modules["dask_cloudprovider.aws"], "EC2Cluster", fail)
    executor = HighThroughputExecutor("ec2", provider=AWSProvider("ami", "key"))
    with pytest.raises(ExecutorError, match="AWSProvider could not make its cluster: OSError: no credentials"):
        parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path)))


def test_pods_are_as_described(cloud):
    provider = KubernetesProvider(
        "image",
        namespace="mine",
        worker_init="echo hello",
        pod_name="My Pod",
        user_id="5",
        group_id="6",
        secret="pull",
        persistent_volumes=[("claim", "/data")],
        service_account_name="robot",
        annotations={"a": "b"},
        extra_limits={"nvidia.com/gpu": "1"},
        max_cpu=3,
    )
    arguments = provider.cluster_arguments()
    assert arguments["namespace"] == "mine"
    spec = arguments["custom_cluster_spec"]
    assert spec["metadata"]["name"].startswith("my-pod")
    worker = spec["spec"]["worker"]
    [container] = worker["spec"]["containers"]
    assert worker["replicas"] == 4
    assert container["command"] == ["/bin/bash", "-c"]
    assert container["args"][0].startswith("echo hello\nexec dask-worker") and "--nthreads 3" in container["args"][0]
    assert container["resources"]["limits"] == {"cpu": "3", "memory": "500Mi", "nvidia.com/gpu": "1"}
    assert container["securityContext"]["runAsUser"] == 5
    assert container["volumeMounts"] == [{"name": "claim", "mountPath": "/data"}]
    assert worker["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert worker["spec"]["serviceAccountName"] == "robot"
    assert spec["metadata"]["annotations"] == {"a": "b"}


def test_machines_are_as_described(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"AWSAccessKeyId": "id", "AWSSecretKey": "secret"}))
    aws = AWSProvider("ami", "key", spot_max_bid=0.1, profile="p", worker_init="date", key_file=str(keys))
    arguments = aws.cluster_arguments()
    assert (arguments["ami"], arguments["spot"], arguments["extra_bootstrap"]) == ("ami", True, ["date"])
    import os

    assert (os.environ["AWS_PROFILE"], os.environ["AWS_ACCESS_KEY_ID"]) == ("p", "id")
    azure = AzureProvider(MACHINE, location="here").cluster_arguments()
    assert azure["vm_image"] == {"publisher": "p", "offer": "o", "sku": "s", "version": "v"}
    assert azure["disk_size"] == 30
    google = GoogleCloudProvider("p", str(keys), "us-central1", "debian-cloud", "debian-12").cluster_arguments()
    assert google["zone"] == "us-central1-b"
    assert google["source_image"] == "projects/debian-cloud/global/images/family/debian-12"


def test_a_file_of_keys_that_is_not_one(tmp_path):
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="AWSAccessKeyId, AWSSecretKey is missing"):
        AWSProvider("ami", "key", key_file=str(tmp_path / "keys.json")).cluster_arguments()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        AWSProvider("ami", "key", key_file=str(tmp_path / "none.json")).cluster_arguments()
