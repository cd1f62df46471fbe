"""Pods of a Kubernetes cluster, one worker each."""

from __future__ import annotations

from parsl_on_dask.config import Config
from parsl_on_dask.executors import HighThroughputExecutor
from parsl_on_dask.providers import KubernetesProvider

config = Config(
    executors=[
        HighThroughputExecutor(
            label="kube-htex",
            cores_per_worker=1,
            max_workers_per_node=1,
            worker_logdir_root="YOUR_WORK_DIR",
            provider=KubernetesProvider(
                namespace="default",
                image="YOUR_DOCKER_URL",
                worker_init="",
                secret="YOUR_KUBE_SECRET",
                pod_name="your-pod-name",
                nodes_per_block=1,
                init_blocks=1,
                max_blocks=10,
            ),
        )
    ],
)
