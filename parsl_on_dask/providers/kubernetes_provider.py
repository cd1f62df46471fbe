"""Workers in pods of a Kubernetes cluster."""

from __future__ import annotations

import importlib
import logging
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from parsl_on_dask.common.arguments import need, need_number
from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.jobs.states import TERMINAL_STATES, JobState, JobStatus
from parsl_on_dask.providers.cloud import CloudProvider, refuse
from parsl_on_dask.providers.errors import SubmitException
from parsl_on_dask.providers.kubernetes_pods import (
    as_model,
    delete_pod,
    describe_pod,
    resources_of,
    shape,
    status_of,
)
from parsl_on_dask.utils import sanitize_dns_label_rfc1123, sanitize_dns_subdomain_rfc1123

logger = logging.getLogger("parsl.providers.kubernetes.kube")

_JOB_NAME = "parsl.kube"
_LONGEST_NAME = 253


def __getattr__(name: str) -> Any:
    # these two modules of the package kubernetes take a second to import
    if name in ("client", "config"):
        try:
            return importlib.import_module(f"kubernetes.{name}")
        except ImportError:
            pass
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _module(name: str) -> Any:
    try:
        return getattr(sys.modules[__name__], name)
    except AttributeError as e:
        reason = "KubernetesProvider submits pods with it: pip install kubernetes"
        raise OptionalModuleMissing(["kubernetes"], reason) from e


@dataclass(eq=False, repr=False)
class KubernetesProvider(CloudProvider):
    """Describes a ``KubeCluster`` of ``dask_kubernetes``: a pod is a block, and runs ``max_cpu`` calls at a time.

    Constructing it asks nothing of the network. The parameters are Parsl's; the Kubernetes cluster needs Dask's
    operator. An executor makes its workers that way. :meth:`submit`, :meth:`status` and :meth:`cancel` are for programs
    that use a provider on their own, and need the package ``kubernetes``. None of it was ever tried against a real
    Kubernetes cluster.

    Parameters
    ----------
    image : str
        Image with the script's Python and ``distributed``.
    namespace : str
    nodes_per_block : int
        Must be 1.
    init_blocks, min_blocks, max_blocks : int
        Pods at the start, at the least when idle, at the most.
    max_cpu, max_mem, init_cpu, init_mem
        What a pod may take at the most, and what it asks for.
    extra_requests, extra_limits : dict, optional
        Further resources.
    parallelism : float
    worker_init : str
        Shell commands that are run before the worker starts.
    pod_name : str, optional
        Name of the cluster, which those of the pods begin with.
    user_id, group_id : str, optional
    run_as_non_root : bool
    secret : str, optional
        Secret by which the image is pulled.
    persistent_volumes : list of (str, str)
        Claims, and where they are mounted.
    service_account_name : str, optional
    annotations : dict, optional

    Raises
    ------
    ConfigurationError
        When an argument cannot be honoured.

    Examples
    --------
    >>> KubernetesProvider("ghcr.io/dask/dask:latest", max_blocks=4).max_blocks
    4
    """

    package = "dask_kubernetes.operator"
    cluster_class = "KubeCluster"
    extra = "kubernetes"

    image: str
    namespace: str = "default"
    nodes_per_block: int = 1
    init_blocks: int = 4
    min_blocks: int = 0
    max_blocks: int = 10
    max_cpu: float = 2
    max_mem: str = "500Mi"
    init_cpu: float = 1
    init_mem: str = "250Mi"
    extra_requests: Mapping[str, str] | None = None
    extra_limits: Mapping[str, str] | None = None
    parallelism: float = 1
    worker_init: str = ""
    pod_name: str | None = None
    user_id: str | None = None
    group_id: str | None = None
    run_as_non_root: bool = False
    secret: str | None = None
    persistent_volumes: Sequence[tuple[str, str]] = ()
    service_account_name: str | None = None
    annotations: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        owner = type(self).__name__
        need(owner, "image", self.image, str, hint="Write for example image='ghcr.io/dask/dask:latest'.")
        need_number(owner, "max_cpu", self.max_cpu, kind=float, above=0, example="2")
        refuse(owner, "nodes_per_block", self.nodes_per_block, 1, "a block is a pod. Write max_blocks= instead.")
        super().__post_init__()
        self.extra_requests = dict(self.extra_requests or {})
        self.extra_limits = dict(self.extra_limits or {})
        self.persistent_volumes = list(self.persistent_volumes)
        self._client: Any = None

    def submit(self, cmd_string: str, tasks_per_node: int, job_name: str = _JOB_NAME) -> str:
        """Start a pod that runs a shell command, and return its job id.

        Parameters
        ----------
        cmd_string : str
        tasks_per_node : int
            Has no meaning for a pod.
        job_name : str
            What the pod's name begins with; the job id follows it. What cannot be a name is replaced, with a warning.

        Raises
        ------
        SubmitException
            When Kubernetes does not take it.
        OptionalModuleMissing
            When the package ``kubernetes`` is not installed.
        """
        job_id = uuid.uuid4().hex[:8]
        pod_name = self._pod_name(job_name, job_id)
        self._create_pod(pod_name=pod_name, job_id=job_id, job_name=job_name, cmd_string=cmd_string)
        status = JobStatus(JobState.RUNNING)
        self.resources[job_id] = {"status": status, "pod_name": pod_name}
        return job_id

    def _pod_name(self, job_name: str, job_id: str) -> str:
        try:
            begin = sanitize_dns_subdomain_rfc1123(job_name[: _LONGEST_NAME - len(job_id) - 1])
        except ValueError:
            logger.warning(f"Invalid pod name '{job_name}' for job '{job_id}': it is called {_JOB_NAME}.{job_id}")
            begin = _JOB_NAME
        return f"{begin}.{job_id}"

    def _create_pod(self, *, pod_name: str, job_id: str, job_name: str, cmd_string: str) -> None:
        pod = as_model(_module("client"), "V1Pod", describe_pod(self, pod_name, job_id, cmd_string))
        try:
            self._api().create_namespaced_pod(namespace=self.namespace, body=pod)
        except OptionalModuleMissing:
            raise
        except Exception as e:
            raise SubmitException(job_name, f"Kubernetes takes no pod {pod_name}: {type(e).__name__}: {e}") from e

    def _api(self) -> Any:
        if self._client is None:
            _module("config").load_kube_config()
            self._client = _module("client").CoreV1Api()
        return self._client

    def status(self, job_ids: Sequence[Any]) -> list[JobStatus]:
        """Return the states of pods, in the order of their job ids."""
        for job_id in job_ids:
            job = self.resources[job_id]
            if job["status"].state not in TERMINAL_STATES:
                job["status"] = status_of(self._api(), job["pod_name"], self.namespace)
        return [self.resources[job_id]["status"] for job_id in job_ids]

    def cancel(self, job_ids: Sequence[Any]) -> list[bool]:
        """Delete pods; returns for each whether it is gone, or going."""
        gone = []
        for job_id in job_ids:
            job = self.resources[job_id]
            gone.append(delete_pod(self._api(), job["pod_name"], self.namespace))
            if gone[-1]:
                job["status"] = JobStatus(JobState.CANCELLED)
        return gone

    def cluster_arguments(self) -> dict[str, Any]:
        make_cluster_spec = importlib.import_module(self.package).make_cluster_spec
        name = sanitize_dns_label_rfc1123(f"{(self.pod_name or 'parsl')[:40]}-{uuid.uuid4().hex[:8]}")
        spec = make_cluster_spec(
            name=name, image=self.image, n_workers=self.first_workers(), resources=resources_of(self)
        )
        start = f'exec dask-worker --name "$DASK_WORKER_NAME" --nthreads {max(1, int(self.max_cpu))} --no-dashboard'
        shape(self, spec["spec"]["worker"]["spec"], start)
        if self.annotations:  # the operator puts those of the cluster on its pods
            spec.setdefault("metadata", {})["annotations"] = dict(self.annotations)
        return {"namespace": self.namespace, "custom_cluster_spec": spec}
