"""Modules that Parsl has, or had, and this package has no file for: each can be imported, and is a row of a table.

A name that can work is found where this package has it. Any other one that Parsl's module has is a
:class:`~parsl_on_dask.errors.ConfigurationError` that says what to use instead. The modules are made by
:mod:`parsl_on_dask.importing.lazily`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_PACKAGE = __name__.partition(".")[0]


class Gone(NamedTuple):
    """What was in a module.

    - `names`: the names that have no meaning here, with blanks between them.
    - `instead`: what to use instead of them.
    - `there`: the names that work, and where they are: ``"module:name"`` relative to this package.
    - `moved`: whether Parsl has these at another place today, which is reported when they are used.
    - `same`: a module of this package that has all of the names, under another path; what is set on one is set on the
      other.
    """

    names: str = ""
    instead: str = ""
    there: Mapping[str, str] = {}
    moved: bool = False
    same: str = ""


def _at(module: str, names: str) -> dict[str, str]:
    """Names that a module of this package has, with blanks between them; ``Old=New`` where it has another name."""
    pairs = (name.partition("=") for name in names.split())
    return {old: f"{module}:{new or old}" for old, _, new in pairs}


def _in(module: str, names: str) -> Gone:
    return Gone(there=_at(module, names))


def _moved(module: str, names: str, **others: str) -> Gone:
    return Gone(there={**_at(module, names), **others}, moved=True)


_FLUX = (
    "Tasks are given out by Dask. Write HighThroughputExecutor with the provider of the batch system; inside a Flux "
    "allocation start a Dask cluster, and write DaskExecutor(scheduler_file=...)."
)
_RADIOS = "Apps report over Dask's connections. Leave it out; Config(monitoring=MonitoringHub()) is all that is needed."
_CLOUD = "Machines and pods are set up by dask-cloudprovider and dask-kubernetes. Write worker_init= of the provider."

_REAL = ("condor", "grid_engine", "local", "lsf", "pbspro", "slurm", "torque")
_CLOUDS = {"aws": "AWSProvider", "azure": "AzureProvider", "googlecloud": "GoogleCloudProvider"}

#: By module, relative to this package.
GONE: Mapping[str, Gone] = {
    # parts of Parsl's machinery
    "executors.flux.execute_parsl_task": Gone("main", _FLUX),
    "executors.flux.flux_instance_manager": Gone("main", _FLUX),
    "executors.high_throughput.zmq_pipes": Gone(
        "CommandClient ResultsIncoming TasksOutgoing",
        "Calls and results travel over Dask's connections. Use the methods of the executor.",
    ),
    "executors.workqueue.exec_parsl_function": Gone(
        "dump_result_to_file encode_byte_code_function encode_function encode_source_code_function execute_function "
        "load_function load_pickled_file remap_all_files remap_list_of_files remap_location unpack_byte_code_function "
        "unpack_function unpack_source_code_function",
        "The workers are Dask's. To pack a call and run it, write pack_apply_message of parsl.serialize and "
        "execute_task of parsl.executors.execute_task.",
    ),
    "jobs.strategy": Gone(
        "ExecutorState Strategy",
        "Each executor's cluster looks after its own blocks. Give Config strategy= and max_idletime=, and scale with "
        "executor.scale_out_facade(n).",
    ),
    "monitoring.radios.filesystem_router": Gone(
        "FilesystemRadioReceiver POLL_PERIOD_S filesystem_router_starter", _RADIOS
    ),
    "monitoring.radios.zmq_router": Gone(
        "MonitoringRouter ZMQRadioReceiver start_zmq_receiver zmq_router_starter", _RADIOS
    ),
    "monitoring.remote": Gone(
        "monitor monitor_wrapper send_first_last_message send_first_message send_last_message", _RADIOS
    ),
    "usage_tracking.usage": Gone(
        "PROTOCOL_VERSION UsageTracker async_process udp_messenger",
        "Nothing is ever sent to anybody, and Config(usage_tracking=) is accepted. The levels are in "
        "parsl.usage_tracking.levels.",
    ),
    **{f"providers.{cloud}.template": Gone("template_string", _CLOUD) for cloud in ("aws", "azure", "kubernetes")},
    **{
        f"providers.{system}.template": Gone(there={"template_string": f"providers.templates:{system.upper()}"})
        for system in ("condor", "grid_engine", "lsf", "pbspro", "slurm", "torque")
    },
    # channels, which providers had until 2024
    "channels.local": Gone(),
    "channels.local.local": _in("channels.local_channel", "LocalChannel"),
    "channels.ssh": Gone(),
    "channels.ssh.ssh": _in("channels.ssh_channels", "SSHChannel DeprecatedSSHChannel=SSHChannel NoAuthSSHClient"),
    **{f"channels.{kind}": Gone() for kind in ("ssh_il", "oauth_ssh")},
    "channels.ssh_il.ssh_il": _in(
        "channels.ssh_channels",
        "SSHInteractiveLoginChannel DeprecatedSSHInteractiveLoginChannel=SSHInteractiveLoginChannel",
    ),
    "channels.oauth_ssh.oauth_ssh": _in(
        "channels.ssh_channels", "OAuthSSHChannel DeprecatedOAuthSSHChannel=OAuthSSHChannel"
    ),
    # errors, at the places that they had until 2023
    "dataflow.error": _moved(
        "dataflow.errors",
        "BadCheckpoint DataFlowException DependencyError",
        ConfigurationError="errors:ConfigurationError",
        DuplicateTaskError="executors.old_errors:DuplicateTaskError",
    ),
    "launchers.error": _moved("launchers.errors", "BadLauncher"),
    "providers.error": _moved(
        "providers.errors",
        "ExecutionProviderException ScaleOutFailed SchedulerMissingArgs ScriptPathError SubmitException",
        ChannelRequired="channels.errors:ChannelRequired",
        OptionalModuleMissing="errors:OptionalModuleMissing",
    ),
    "providers.provider_base": _moved(
        "providers.base",
        "ExecutionProvider",
        **_at("jobs.states", "JobState JobStatus"),
        **_at("channels.base", "Channeled MultiChanneled"),
    ),
    # executors
    "executors.execute_task": _in("serialize.facade", "execute_task"),
    "executors.extreme_scale": Gone(),
    "executors.extreme_scale.executor": _in("executors.replaced", "ExtremeScaleExecutor"),
    "executors.flux": _in("executors.refused", "FluxExecutor"),
    "executors.flux.executor": _in("executors.refused", "FluxExecutor"),
    "executors.high_throughput.interchange": _in("executors.high_throughput.errors", "ManagerLost"),
    "executors.high_throughput.manager_record": _in("executors.high_throughput.manager_selector", "ManagerRecord"),
    "executors.high_throughput.process_worker_pool": _in("serialize.facade", "execute_task"),
    "executors.ipp": _in("executors.replaced", "IPyParallelExecutor"),
    "executors.ipp_controller": _in("executors.replaced", "Controller"),
    "executors.low_latency": Gone(),
    "executors.low_latency.executor": _in("executors.replaced", "LowLatencyExecutor"),
    "executors.radical": _in("executors.refused", "RadicalPilotExecutor ResourceConfig"),
    "executors.radical.executor": _in("executors.refused", "RadicalPilotExecutor PARSL_RP_RESOURCE_MAP"),
    "executors.radical.rpex_resources": _in("executors.refused", "ResourceConfig"),
    "executors.taskvine": Gone(
        there={
            **_at("executors.task_vine", "TaskVineExecutor"),
            **_at("executors.task_vine_configs", "TaskVineFactoryConfig TaskVineManagerConfig"),
        }
    ),
    "executors.taskvine.executor": Gone(same="executors.task_vine"),
    "executors.taskvine.errors": _in(
        "executors.old_errors", "TaskVineTaskFailure TaskVineManagerFailure TaskVineFactoryFailure"
    ),
    "executors.taskvine.factory_config": _in("executors.task_vine_configs", "TaskVineFactoryConfig"),
    "executors.taskvine.manager_config": _in("executors.task_vine_configs", "TaskVineManagerConfig"),
    "executors.workqueue": _in("executors.work_queue", "WorkQueueExecutor"),
    "executors.workqueue.executor": Gone(same="executors.work_queue"),
    "executors.workqueue.errors": _in("executors.old_errors", "WorkQueueTaskFailure WorkQueueFailure"),
    # providers
    "jobs.errors": _in("jobs.error_handlers", "TooManyJobFailuresError"),
    "jobs.job_status_poller": _in("providers.refused", "JobStatusPoller"),
    **{f"providers.{kind}": Gone() for kind in (*_REAL, *_CLOUDS, "ad_hoc", "cobalt", "jetstream", "kubernetes")},
    **{f"providers.{kind}.{kind}": Gone(same=f"providers.{kind}_provider") for kind in _REAL},
    **{f"providers.{kind}.{kind}": _in("providers.clouds", name) for kind, name in _CLOUDS.items()},
    "providers.kubernetes.kube": Gone(same="providers.kubernetes_provider"),
    "providers.ad_hoc.ad_hoc": _in("providers.refused", "AdHocProvider DeprecatedAdHocProvider=AdHocProvider"),
    "providers.cobalt.cobalt": _in("providers.refused", "CobaltProvider"),
    "providers.jetstream.jetstream": Gone(
        "setup_script",
        "that cloud is gone, and with it the text that its machines began with. Give the commands that a machine "
        "needs to the provider's worker_init=.",
        _at("providers.refused", "JetstreamProvider"),
    ),
    # monitoring
    "monitoring.radios.htex": _in("monitoring.radios.connected", "HTEXRadio HTEXRadioReceiver HTEXRadioSender"),
    "monitoring.radios.multiprocessing": _in(
        "monitoring.radios.connected",
        "MultiprocessingQueueRadio MultiprocessingQueueRadioReceiver MultiprocessingQueueRadioSender",
    ),
    "monitoring.radios.zmq": _in("monitoring.radios.old", "ZMQRadioSender"),
}


def below(package: str) -> set[str]:
    """Return the names of such modules in a package, as ``__name__`` gives it."""
    pairs = (name.rpartition(".") for name in GONE)
    return {module for parent, _, module in pairs if f"{_PACKAGE}.{parent}" == package}
