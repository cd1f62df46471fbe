"""The sample configurations, as rows: each makes its Config, and imports what that needs, when it is asked to."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

from parsl_on_dask.importing.lazily import by_name
from parsl_on_dask.usage_tracking.levels import LEVEL_1


class Sample(NamedTuple):
    """One sample.

    - `about`: what it is for.
    - `config`: makes the Config; or why there is none, and what to use instead; or endpoints of Globus Compute by
      label, each by the name that its identifier has in the module. The SDK asks for a login when their Config is made.
    - `names`: what else the module has.
    """

    about: str
    config: Callable[[], Any] | str | Mapping[str, str]
    names: Mapping[str, Any] = {}


def _make(place: str, *args: Any, **kwargs: Any) -> Any:
    return by_name(place)(*map(_made, args), **{key: _made(value) for key, value in kwargs.items()})


def _made(value: Any) -> Any:
    """A value of a row, where what stands in it is made as well."""
    if isinstance(value, list):
        return [_made(each) for each in value]
    return value() if isinstance(value, partial) else value


def _later(place: str) -> Any:
    """A constructor that is called, and imported, when a sample is asked for."""
    return partial(partial, _make, place)


def _htex(about: str, label: str, provider: Any, config: Mapping[str, Any] = {}, **arguments: Any) -> Sample:
    executor = _later("executors:HighThroughputExecutor")(label=label, provider=provider, **arguments)
    return Sample(about, _config(executors=[executor], **config))


_config = _later("config:Config")
_srun, _mpirun = _later("launchers:SrunLauncher"), _later("launchers:MpiRunLauncher")
_slurm, _pbs = partial(_later("providers:SlurmProvider"), launcher=_srun()), _later("providers:PBSProProvider")
_local = _later("providers:LocalProvider")
_AZURE = {
    "admin_username": "YOUR_ADMIN_USERNAME_FOR_INSTANCE",
    "password": "YOUR_PASSWORD_FOR_INSTANCE",
    "vm_size": "YOUR_VM_SIZE",
    "disk_size_gb": "YOUR_VM_DISK_SIZE",
    "publisher": "YOUR_IMAGE_PUBLISHER",
    "offer": "YOUR_VM_OS_OFFER",
    "sku": "YOUR_VM_OS_SKU",
    "version": "YOUR_VM_OS_VERSION",
}
_COBALT = "and its Cobalt are gone. Argonne's machines of today have PBS Pro: see parsl.configs.polaris."

#: By the name of the module.
SAMPLES: dict[str, Sample] = {
    "anvil": _htex(
        "A GPU of a node of Anvil (Purdue).",
        "Anvil_GPU_Executor",
        _slurm(
            partition="gpu",
            account="YOUR_ALLOCATION_ON_ANVIL",
            cores_per_node=4,
            mem_per_node=50,
            max_blocks=1,
            walltime="00:30:00",
            scheduler_options="#SBATCH --gres gpu:1 --gpus-per-node=1",
            worker_init="module load modtree/gpu",
            exclusive=False,
        ),
        working_dir="/anvil/scratch/path/to/your/directory",
        max_workers_per_node=1,
    ),
    "ASPIRE1": _htex(
        "Three nodes for each job of ASPIRE 1 (NSCC Singapore), with a checkpoint of each task.",
        "htex",
        _pbs(
            launcher=_mpirun(),
            scheduler_options="#PBS -J 1-10",
            nodes_per_block=3,
            min_blocks=3,
            max_blocks=5,
            cpus_per_node=24,
            walltime="24:00:00",
        ),
        heartbeat_period=15,
        heartbeat_threshold=120,
        worker_debug=True,
        max_workers_per_node=4,
        config=dict(
            monitoring=_later("monitoring:MonitoringHub")(resource_monitoring_interval=10),
            strategy="simple",
            retries=3,
            memoizer=_later("dataflow.memoization:BasicMemoizer")(checkpoint_mode="task_exit"),
        ),
    ),
    "Azure": _htex(
        "Virtual machines of Microsoft's Azure.",
        "azure_single_node",
        _later("providers:AzureProvider")(vm_reference=_AZURE, key_file="azure_key_file.json"),
    )._replace(names={"vm_reference": _AZURE}),
    "bluewaters": _htex(
        "A node of Blue Waters (NCSA), which is gone; Parsl had this until 2024.",
        "bw_htex",
        _later("providers:TorqueProvider")(
            queue="normal",
            launcher=_later("launchers:AprunLauncher")(overrides="-b -- bwpy-environ --"),
            max_blocks=1,
            min_blocks=1,
            nodes_per_block=2,
            walltime="00:30:00",
        ),
        cores_per_worker=1,
    ),
    "bridges": _htex(
        "Two nodes of Bridges (PSC).",
        "Bridges_HTEX_multinode",
        _slurm(partition="YOUR_PARTITION_NAME", nodes_per_block=2, walltime="00:10:00", cmd_timeout=120),
        max_workers_per_node=1,
    ),
    "cc_in2p3": _htex(
        "Two jobs at CC-IN2P3 (Lyon).",
        "cc_in2p3_htex",
        _later("providers:GridEngineProvider")(init_blocks=2, max_blocks=2, walltime="00:20:00"),
        max_workers_per_node=2,
    ),
    "comet": _htex(
        "Two nodes of Comet (SDSC), which is gone; Parsl had this until 2024.",
        "Comet_HTEX_multinode",
        _slurm(partition="debug", nodes_per_block=2, walltime="00:10:00"),
        max_workers_per_node=2,
    ),
    "cori": _htex(
        "Two nodes of Cori (NERSC), which is gone; Parsl had this until 2023.",
        "Cori_HTEX_multinode",
        _slurm(
            partition="debug",
            nodes_per_block=2,
            scheduler_options="#SBATCH --constraint=knl,quad,cache",
            walltime="00:10:00",
            cmd_timeout=120,
        ),
        max_workers_per_node=2,
    ),
    "delta": _htex(
        "A GPU of a node of Delta (NCSA).",
        "Delta_GPU_Executor",
        _slurm(
            partition="gpuA100x4",
            account="YOUR_ALLOCATION_ON_DELTA",
            constraint="scratch",
            cores_per_node=32,
            mem_per_node=220,
            max_blocks=1,
            walltime="00:30:00",
            scheduler_options="#SBATCH --gpus-per-node=1 --gpu-bind=closest",
            exclusive=False,
        ),
        working_dir="/scratch/path/to/your/directory",
        max_workers_per_node=1,
    ),
    "ec2": _htex(
        "A virtual machine of Amazon's EC2.",
        "ec2_single_node",
        _later("providers:AWSProvider")(
            "YOUR_AMI_ID",
            region="YOUR_AWS_REGION",
            key_name="YOUR_KEY_NAME",
            profile="default",
            state_file="awsproviderstate.json",
            max_blocks=1,
            walltime="01:00:00",
        ),
    ),
    "exex_local": _htex(
        "A worker on this machine; Parsl had this until 2023.",
        "Extreme_Local",
        _local(max_blocks=1),
        worker_debug=True,
        max_workers_per_node=1,
    ),
    "expanse": _htex(
        "Two nodes of Expanse (SDSC).",
        "Expanse_CPU_Multinode",
        _slurm(
            partition="compute",
            account="YOUR_ALLOCATION_ON_EXPANSE",
            walltime="01:00:00",
            max_blocks=1,
            nodes_per_block=2,
        ),
        max_workers_per_node=32,
    ),
    "frontera": _htex(
        "Two nodes of Frontera (TACC).",
        "frontera_htex",
        _slurm(
            cmd_timeout=60,
            nodes_per_block=2,
            min_blocks=1,
            max_blocks=1,
            partition="normal",
            scheduler_options="#SBATCH -A <YOUR_ALLOCATION>",
            walltime="00:10:00",
        ),
        max_workers_per_node=1,
    ),
    "illinoiscluster": _htex(
        "Two nodes of the Campus Cluster (UIUC).",
        "CC_htex",
        _slurm(
            partition="secondary-fdr",
            nodes_per_block=2,
            max_blocks=1,
            cmd_timeout=60,
            walltime="00:10:00",
            worker_init="conda activate envParsl",
        ),
        cores_per_worker=16.0,
    ),
    "improv": _htex(
        "Two nodes of Improv (Argonne).",
        "Improv_multinode",
        _pbs(
            account="YOUR_ALLOCATION_ON_IMPROV",
            queue="compute",
            worker_init="module load gcc/13.2.0; module load openmpi/5.0.3-gcc-13.2.0",
            launcher=_mpirun(),
            nodes_per_block=2,
            walltime="00:10:00",
        ),
        max_workers_per_node=32,
    ),
    "kubernetes": _htex(
        "Pods of a Kubernetes cluster, one worker each.",
        "kube-htex",
        _later("providers:KubernetesProvider")(
            init_blocks=1,
            namespace="default",
            image="YOUR_DOCKER_URL",
            secret="YOUR_KUBE_SECRET",
            pod_name="your-pod-name",
            max_blocks=10,
        ),
        cores_per_worker=1,
        max_workers_per_node=1,
        worker_logdir_root="YOUR_WORK_DIR",
    ),
    "midway": _htex(
        "Two nodes of Midway (University of Chicago).",
        "Midway_HTEX_multinode",
        _slurm(partition="YOUR_PARTITION", nodes_per_block=2, min_blocks=1, max_blocks=1, walltime="00:30:00"),
        max_workers_per_node=2,
    ),
    "osg": _htex(
        "Four slots of the Open Science Grid.",
        "OSG_HTEX",
        _later("providers:CondorProvider")(
            init_blocks=4,
            max_blocks=4,
            scheduler_options='+ProjectName = "MyProject"\nRequirements = HAS_MODULES=?=TRUE',
            worker_init="module load python; python3 -m venv env; . env/bin/activate; pip install parsl-on-dask",
            walltime="00:20:00",
        ),
        max_workers_per_node=1,
        worker_logdir_root="$OSG_WN_TMP",
        worker_port=31000,
    ),
    "polaris": _htex(
        "Nodes with four GPUs each of Polaris (Argonne).",
        "HighThroughputExecutor",
        _pbs(
            account="YOUR_ACCOUNT",
            worker_init="module load conda; conda activate YOUR_ENV",
            walltime="01:00:00",
            queue="prod",
            scheduler_options="#PBS -l filesystems=home:eagle",
            launcher=_later("launchers:MpiExecLauncher")(bind_cmd="--cpu-bind", overrides="--depth=64 --ppn 1"),
            select_options="ngpus=4",
            nodes_per_block=128,
            max_blocks=1,
            cpus_per_node=64,
        ),
        available_accelerators=4,
        cpu_affinity="alternating",
        prefetch_capacity=0,
    ),
    "stampede2": _htex(
        "Two nodes of Stampede2 (TACC), with files from Globus.",
        "Stampede2_HTEX",
        _slurm(nodes_per_block=2, min_blocks=1, max_blocks=1, partition="YOUR_PARTITION", walltime="00:30:00"),
        max_workers_per_node=2,
        storage_access=[
            _later("data_provider.globus:GlobusStaging")(
                endpoint_uuid="ceea5ca0-89a9-11e7-a97f-22000a92523b", endpoint_path="/", local_path="/"
            )
        ],
    ),
    "summit": _htex(
        "Two nodes of Summit (ORNL), which is gone.",
        "Summit_HTEX",
        _later("providers:LSFProvider")(
            launcher=_later("launchers:JsrunLauncher")(),
            walltime="00:10:00",
            nodes_per_block=2,
            max_blocks=1,
            project="YOUR_PROJECT_ALLOCATION",
            cmd_timeout=60,
        ),
        working_dir="YOUR_WORKING_DIR_ON_SHARED_FS",
        worker_port_range=(50000, 55000),
    ),
    "toss3_llnl": _htex(
        "A node of the TOSS 3 machines (LLNL). Parsl has Flux give out the tasks there; here Dask does.",
        "FluxExecutor",
        _slurm(
            partition="YOUR_PARTITION",
            account="YOUR_ACCOUNT",
            min_blocks=1,
            max_blocks=1,
            walltime="00:30:00",
            cmd_timeout=120,
            launcher=_srun(overrides="--mpibind=off"),
        ),
    ),
    "gc_multisite": Sample(
        "Endpoints of Globus Compute at two sites. Fill in the identifiers of your own before use.",
        {"Perlmutter": "perlmutter_endpoint", "Expanse": "expanse_endpoint"},
        {"perlmutter_endpoint": "YOUR_PERLMUTTER_ENDPOINT_UUID", "expanse_endpoint": "YOUR_EXPANSE_ENDPOINT_UUID"},
    ),
    "gc_tutorial": Sample(
        "The public tutorial endpoint of Globus Compute.",
        {"Tutorial_Endpoint_py3.11": "tutorial_endpoint"},
        {"tutorial_endpoint": "4b116d3c-1703-4f8f-9f6f-39921e5864df"},
    ),
    "ad_hoc": Sample(
        "Hosts that ssh reaches; Parsl had this until 2024.",
        "AdHocProvider is gone. Write Config(executors=[DaskExecutor(hosts=['node1', 'me@node2'])]).",
    ),
    "cooley": Sample("Cooley (Argonne), which is gone; Parsl had this until 2024.", f"Cooley (Argonne) {_COBALT}"),
    "theta": Sample("Theta (Argonne), which is gone; Parsl had this until 2024.", f"Theta (Argonne) {_COBALT}"),
    "vineex_local": Sample(
        "Workers with resources on this machine, by TaskVine's executor.",
        _config(executors=[_later("executors:TaskVineExecutor")(label="parsl-vine-example")]),
    ),
    "wqex_local": Sample(
        "Workers with resources on this machine, by Work Queue's executor.",
        _config(
            executors=[_later("executors:WorkQueueExecutor")(label="parsl-wq-example", port=9123, shared_fs=False)]
        ),
    ),
}


def endpoints(module: ModuleType, labels: Mapping[str, str]) -> Any:
    """The Config of endpoints of Globus Compute, given by label and name of the identifier in a module."""
    globus = importlib.import_module("parsl_on_dask.executors.globus_compute")
    executors = [
        globus.GlobusComputeExecutor(globus.sdk_executor()(endpoint_id=getattr(module, name)), label)
        for label, name in labels.items()
    ]
    return _make("config:Config", executors=executors, usage_tracking=LEVEL_1)
