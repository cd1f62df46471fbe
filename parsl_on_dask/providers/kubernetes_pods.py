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


def resources_of(provider: Any) -> dict[str, Any]:
    """What a pod asks for, and what it may take at the most."""
    return {
        "limits": {"cpu": str(provider.max_cpu), "memory": provider.max_mem, **provider.extra_limits},
        "requests": {"cpu": str(provider.init_cpu), "memory": provider.init_mem, **provider.extra_requests},
    }


def shape(provider: Any, pod: dict[str, Any], command: str) -> None:
    """Put a provider's arguments into the description of a pod with one container, which runs a shell command.

    - `pod`: the ``spec`` of a pod.
    - `command`: what runs after ``worker_init``.
    """
    [container] = pod["containers"]
    container.update(command=["/bin/bash", "-c"], args=[f"{provider.worker_init}\n{command}"])
    if provider.user_id and provider.group_id:
        container["securityContext"] = {
            "runAsUser": int(provider.user_id),
            "runAsGroup": int(provider.group_id),
            "runAsNonRoot": provider.run_as_non_root,
        }
    if provider.secret:
        pod["imagePullSecrets"] = [{"name": provider.secret}]
    if provider.service_account_name:
        pod["serviceAccountName"] = provider.service_account_name
    if provider.persistent_volumes:
        volumes = provider.persistent_volumes
        container["volumeMounts"] = [{"name": claim, "mountPath": path} for claim, path in volumes]
        pod["volumes"] = [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c, _ in volumes]


def describe_pod(provider: Any, pod_name: str, job_id: str, command: str) -> dict[str, Any]:
    """Describe a pod that runs a shell command once, in a container that is named after its job."""
    container = {"name": job_id, "image": provider.image, "resources": resources_of(provider)}
    pod: dict[str, Any] = {"containers": [container], "restartPolicy": "Never"}
    shape(provider, pod, command)
    metadata = {"name": pod_name, "labels": {"parsl-job-id": job_id}, "annotations": provider.annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def as_model(client: Any, kind: str, described: Any) -> Any:
    """Make an object of a type of ``kubernetes.client`` from its description; subclasses of the provider rely on it.

    - `client`: ``kubernetes.client``.
    - `kind`: a type as the attribute ``openapi_types`` of the client's classes spells it: ``"V1Pod"``,
      ``"list[V1Volume]"``.
    """
    if kind.lower().startswith("list["):  # spelt in two ways by versions of the client
        return [as_model(client, kind[5:-1], one) for one in described]
    model = getattr(client, kind, None)
    if model is None or described is None:  # a plain value, or a dict of such
        return described
    parts = {name: (key, model.openapi_types[name]) for name, key in model.attribute_map.items()}
    return model(**{name: as_model(client, k, described[key]) for name, (key, k) in parts.items() if key in described})


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
