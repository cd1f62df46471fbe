"""Single pods, made by the package ``kubernetes``: what runs a shell command there."""

from __future__ import annotations

from typing import Any

from parsl_on_dask.jobs.states import JobState, JobStatus

_STATES = {
    "Pending": JobState.PENDING,
    "Running": JobState.RUNNING,
    "Succeeded": JobState.COMPLETED,
    "Failed": JobState.FAILED,
}
#: What Kubernetes answers when there is no such pod.
_GONE = 404


def describe_pod(client: Any, provider: Any, pod_name: str, job_id: str, cmd_string: str) -> Any:
    """Describe a pod that runs a shell command once.

    Parameters
    ----------
    client : module
        ``kubernetes.client``.
    provider : KubernetesProvider
        For image, resources, volumes and the like.
    pod_name, job_id : str
        Its name, and the name of its container.
    cmd_string : str
        The shell command.
    """
    security = None
    if provider.user_id and provider.group_id:
        security = client.V1SecurityContext(
            run_as_user=int(provider.user_id),
            run_as_group=int(provider.group_id),
            run_as_non_root=provider.run_as_non_root,
        )
    resources = client.V1ResourceRequirements(
        limits={"cpu": str(provider.max_cpu), "memory": provider.max_mem, **provider.extra_limits},
        requests={"cpu": str(provider.init_cpu), "memory": provider.init_mem, **provider.extra_requests},
    )
    container = client.V1Container(
        name=job_id,
        image=provider.image,
        command=["/bin/bash"],
        args=["-c", f"{provider.worker_init}\n{cmd_string}"],
        resources=resources,
        volume_mounts=[client.V1VolumeMount(name=c, mount_path=path) for c, path in provider.persistent_volumes],
        security_context=security,
    )
    volumes = [
        client.V1Volume(
            name=claim, persistent_volume_claim=client.V1PersistentVolumeClaimVolumeSource(claim_name=claim)
        )
        for claim, _ in provider.persistent_volumes
    ]
    spec = client.V1PodSpec(
        containers=[container],
        volumes=volumes,
        restart_policy="Never",
        image_pull_secrets=[client.V1LocalObjectReference(name=provider.secret)] if provider.secret else None,
        service_account_name=provider.service_account_name,
    )
    metadata = client.V1ObjectMeta(name=pod_name, labels={"parsl-job-id": job_id}, annotations=provider.annotations)
    return client.V1Pod(api_version="v1", kind="Pod", spec=spec, metadata=metadata)


def status_of(api: Any, pod_name: str, namespace: str) -> JobStatus:
    """Ask Kubernetes for the state of a pod; what cannot be asked is unknown, with the reason."""
    try:
        phase = api.read_namespaced_pod_status(name=pod_name, namespace=namespace).status.phase
    except Exception as e:
        gone = getattr(e, "status", None) == _GONE
        return JobStatus(JobState.MISSING if gone else JobState.UNKNOWN, message=f"{type(e).__name__}: {e}")
    return JobStatus(_STATES.get(phase, JobState.UNKNOWN))


def delete_pod(api: Any, pod_name: str, namespace: str) -> bool:
    """Delete a pod; returns whether it is gone, or going."""
    try:
        api.delete_namespaced_pod(name=pod_name, namespace=namespace)
    except Exception as e:
        return getattr(e, "status", None) == _GONE
    return True
