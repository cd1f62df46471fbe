"""KubernetesProvider on its own: pods that it starts, looks at and deletes by Kubernetes' own Python client.

The server here answers three requests as Kubernetes' reference says; a real Kubernetes was not to be had.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parsl_on_dask.jobs.states import JobState
from parsl_on_dask.providers import KubernetesProvider
from parsl_on_dask.providers.errors import SubmitException
from parsl_on_dask.providers.kubernetes import kube

pytest.importorskip("kubernetes", reason="no client of Kubernetes here: pip install kubernetes")

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: me, user: {{}}}}]
"""


class Api(http.server.BaseHTTPRequestHandler):
    pods: dict[str, Any]

    def answer(self, code: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        pod = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/api/v1/namespaces/mine/pods"
        if pod["spec"]["containers"][0]["image"] == "forbidden":
            self.answer(403, {"message": "no such image for you"})
            return
        self.pods[pod["metadata"]["name"]] = {**pod, "status": {"phase": "Pending"}}
        self.answer(201, pod)

    def do_GET(self) -> None:
        pod = self.pods.get(self.path.split("/")[-2])
        self.answer(200 if pod else 404, pod or {"message": "not found"})

    def do_DELETE(self) -> None:
        pod = self.pods.pop(self.path.split("/")[-1], None)
        self.answer(200 if pod else 404, pod or {"message": "not found"})

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    handler = type("Handler", (Api,), {"pods": found})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = tmp_path / "kubeconfig"
        config.write_text(KUBECONFIG.format(port=server.server_port))
        # the client has read the place when it was imported
        monkeypatch.setattr(kube.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))
        yield found
        server.shutdown()


def test_a_pod_from_its_start_to_its_end(pods: dict[str, Any]) -> None:
    provider = KubernetesProvider(
        "image", namespace="mine", worker_init="module load x", persistent_volumes=[("claim", "/data")], secret="key"
    )
    job = provider.submit("echo hello", 1, "My Job")
    [(name, pod)] = pods.items()
    assert name == f"my-job.{job}" and pod["metadata"]["labels"] == {"parsl-job-id": job}
    [container] = pod["spec"]["containers"]
    assert container["command"] + container["args"] == ["/bin/bash", "-c", "module load x\necho hello"]
    assert container["volumeMounts"] == [{"name": "claim", "mountPath": "/data"}]
    assert pod["spec"]["volumes"] == [{"name": "claim", "persistentVolumeClaim": {"claimName": "claim"}}]
    assert (pod["spec"]["restartPolicy"], pod["spec"]["imagePullSecrets"]) == ("Never", [{"name": "key"}])
    states = []
    for phase in ("Pending", "Running", "Succeeded"):
        pod["status"]["phase"] = phase
        states += [status.state for status in provider.status([job])]
    assert states == [JobState.PENDING, JobState.RUNNING, JobState.COMPLETED]


def test_subclasses_get_the_clients_own_objects(pods: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = []
    monkeypatch.setattr(
        kube.client.CoreV1Api, "create_namespaced_pod", lambda self, namespace, body: bodies.append(body)
    )
    KubernetesProvider("image", persistent_volumes=[("claim", "/data")], annotations={"a": "b"}).submit("true", 1)
    [pod] = bodies
    assert isinstance(pod, kube.client.V1Pod) and pod.metadata.annotations == {"a": "b"}
    assert pod.spec.containers[0].volume_mounts[0].mount_path == "/data"
    assert pod.spec.volumes[0].persistent_volume_claim.claim_name == "claim"


def test_a_pod_that_is_deleted(pods: dict[str, Any]) -> None:
    provider = KubernetesProvider("image", namespace="mine")
    one, other = (provider.submit("sleep 100", 1) for _ in range(2))
    assert provider.cancel([one]) == [True] and len(pods) == 1
    pods.clear()
    assert [status.state for status in provider.status([one, other])] == [JobState.CANCELLED, JobState.MISSING]
    assert provider.cancel([other]) == [True]


def test_a_pod_that_kubernetes_does_not_take(pods: dict[str, Any]) -> None:
    with pytest.raises(SubmitException, match=r"(?s)block-0: Kubernetes takes no pod block-0\..*no such image for you"):
        KubernetesProvider("forbidden", namespace="mine").submit("true", 1, "block-0")
