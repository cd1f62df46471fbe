"""``MonitoringHub``: what a script gives to ``Config(monitoring=...)``."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from parsl_on_dask.common.arguments import need, need_number, wrong_type
from parsl_on_dask.errors import OptionalModuleMissing
from parsl_on_dask.monitoring.radios.sending import OPEN
from parsl_on_dask.old_spellings.dialect import old_defaults
from parsl_on_dask.old_spellings.legacy import warn_once
from parsl_on_dask.utils import RepresentationMixin

if TYPE_CHECKING:
    from parsl_on_dask.common.kernel import Kernel
    from parsl_on_dask.monitoring.events import Sink
    from parsl_on_dask.monitoring.run import RunRecord

logger = logging.getLogger("parsl.monitoring.monitoring")


class MonitoringHub(RepresentationMixin):
    """Records a run in a database: its tasks, their states, tries and resources, and the nodes and blocks.

    Tables and rows are Parsl's, so that ``parsl-visualize`` and existing queries work. Nothing
    is forked, so a script needs no ``if __name__ == "__main__"``: a thread of this process writes the database, and
    workers report on the connections that they have to it anyway.

    Parameters
    ----------
    hub_address, hub_port_range, hub_port : optional
        Of earlier releases of Parsl; without effect, and reported once.
    workflow_name : str, optional
        Default: the script's file name.
    workflow_version : str, optional
        Default: the time at which the run began.
    logging_endpoint : str, optional
        The database as SQLAlchemy's URL, ``"sqlite:///monitoring.db"`` or ``"postgresql+psycopg2://user@host/name"``.
        Default: ``monitoring.db`` in ``Config.run_dir``, for all runs of that directory.
    monitoring_debug : bool, default False
        Log what is written.
    resource_monitoring_enabled : bool, default True
        Record what workers see of tasks: where and when they run, and what they use.
    resource_monitoring_interval : float, default 30
        Seconds between two samples of what a task uses, besides one
        at its start and one at its end; 0 for none at all.
    sinks : sequence of callable, default ()
        Functions that are given lists of :class:`~parsl_on_dask.monitoring.events.Event` as these are recorded. They
        run on the thread that writes the database. One that raises an exception gets nothing more. (Not in Parsl.)

    Raises
    ------
    OptionalModuleMissing
        When SQLAlchemy is not installed.
    MonitoringHubStartError
        When this is not a URL. (A ConfigurationError.)

    Examples
    --------
    >>> MonitoringHub(workflow_name="campaign").resource_monitoring_interval
    30
    """

    #: Parsl had one of its own.
    logger = logger

    _legacy_arguments = frozenset({"client_address", "client_port_range", "logdir", "logging_level"})

    @old_defaults
    def __init__(
        self,
        hub_address: Any = None,
        hub_port_range: Any = None,
        hub_port: Any = None,
        workflow_name: str | None = None,
        workflow_version: str | None = None,
        logging_endpoint: str | None = None,
        monitoring_debug: bool = False,
        resource_monitoring_enabled: bool = True,
        resource_monitoring_interval: float = 30,
        *,
        sinks: Sequence[Sink] = (),
        client_address: Any = None,
        client_port_range: Any = None,
        logdir: Any = None,
        logging_level: Any = None,
    ) -> None:
        if find_spec("sqlalchemy") is None:
            raise OptionalModuleMissing(
                ["sqlalchemy"],
                "MonitoringHub writes its database with it. Install it with: pip install 'parsl-on-dask[monitoring]'",
            )
        self.hub_address = hub_address
        self.hub_port_range = hub_port_range
        self.hub_port = hub_port
        self.workflow_name = workflow_name
        self.workflow_version = workflow_version
        self.logging_endpoint = logging_endpoint
        self.monitoring_debug = monitoring_debug
        self.resource_monitoring_enabled = resource_monitoring_enabled
        self.resource_monitoring_interval = resource_monitoring_interval
        self.sinks = sinks
        self.client_address = client_address
        self.client_port_range = client_port_range
        self.logdir = logdir
        self.logging_level = logging_level
        self._default_endpoint: str | None = None
        self._record: RunRecord | None = None
        self.validate()
        self._report_old_arguments()

    def validate(self) -> None:
        """Check all arguments, including those that were set after construction.

        Raises
        ------
        ConfigurationError
            Naming the argument and what to write instead.
        """
        owner = "MonitoringHub"
        need(owner, "workflow_name", self.workflow_name, str, type(None), hint="Write a name.")
        need(owner, "workflow_version", self.workflow_version, str, type(None), hint="Write for example '1.2'.")
        need(owner, "logging_endpoint", self.logging_endpoint, str, type(None), hint="Write a URL of SQLAlchemy's.")
        need(owner, "monitoring_debug", self.monitoring_debug, bool)
        need(owner, "resource_monitoring_enabled", self.resource_monitoring_enabled, bool)
        need_number(
            owner,
            "resource_monitoring_interval",
            self.resource_monitoring_interval,
            kind=float,
            at_least=0,
            example="30",
        )
        if not isinstance(self.sinks, (list, tuple)) or not all(map(callable, self.sinks)):
            raise wrong_type(owner, "sinks", self.sinks, "a list of functions", "Write for example sinks=[print].")
        if self.logging_endpoint is not None:
            from parsl_on_dask.monitoring.tables import checked_url

            checked_url(self.logging_endpoint)

    def _report_old_arguments(self) -> None:
        for name in ("hub_address", "hub_port", "hub_port_range", "client_address", "client_port_range"):
            if getattr(self, name) is not None:
                warn_once(
                    f"MonitoringHub.{name}",
                    f"MonitoringHub({name}=) means nothing: workers report on Dask's connections. Leave it out.",
                    category=DeprecationWarning,
                )
        for name, instead in (("logdir", "The log is parsl.log."), ("logging_level", "Write monitoring_debug=True.")):
            if getattr(self, name) is not None:
                warn_once(f"MonitoringHub.{name}", f"MonitoringHub({name}=) is of the past. {instead}")

    def __repr__(self) -> str:
        # it is written to the log
        return re.sub(r"(://[^:/@']*):[^@']*@", r"\1:***@", super().__repr__())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_record": None}

    def start(
        self,
        dfk_run_dir: str | None = None,
        config_run_dir: str | os.PathLike[str] | None = None,
        log_config: Any = None,
        *,
        run_id: str | None = None,
        run_dir: str | None = None,
    ) -> None:
        """Open the database; the kernel calls this at load.

        Parameters
        ----------
        dfk_run_dir : str
            Directory of this run.
        config_run_dir : path
            Directory of all runs. Default: the one that ``dfk_run_dir`` is in.
        log_config : LogConfig, optional
            Of Parsl's signature; nothing here has a log of its own.
        run_id : str, optional
            Of earlier releases, as is ``start(run_id, dfk_run_dir, config_run_dir)``. It means nothing: the run that is
            recorded is the kernel's.
        run_dir : str, optional
            Of earlier releases: ``dfk_run_dir``.

        Raises
        ------
        MonitoringHubStartError
            When it cannot be opened. One that is locked at the moment can.
        """
        from parsl_on_dask.monitoring.run import RunRecord

        self.validate()
        dfk_run_dir, config_run_dir = _folders(dfk_run_dir, config_run_dir, log_config, run_dir)
        if self.logging_endpoint is None or self.logging_endpoint == self._default_endpoint:
            path = os.path.join(config_run_dir, "monitoring.db")
            self.logging_endpoint = self._default_endpoint = f"sqlite:///{path}"
        if self._record is not None:
            raise _in_use()
        self._record = RunRecord(self, self.logging_endpoint, dfk_run_dir)
        OPEN.append(self._record.inbox)
        logger.info("Monitoring writes %s", self._record.tables.shown)

    @property
    def resource_msgs(self) -> Any:
        """Where messages in Parsl's form are put, with ``put((MessageType, dict))``."""
        if self._record is None:
            raise _not_started()
        return self._record.inbox

    def send(self, mtype: Any, message: Any = None) -> None:
        """Record a message in Parsl's form; Parsl has removed this in 2025.

        Parameters
        ----------
        mtype : MessageType or tuple
            Its type; or, alone, all of ``(MessageType, dict)``.
        message : dict, optional
            What it says.
        """
        self.resource_msgs.put(mtype if message is None else (mtype, message))

    @staticmethod
    def monitor_wrapper(
        f: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        try_id: int | None = None,
        task_id: int | None = None,
        monitoring_hub_url: str | None = None,
        run_id: str | None = None,
        logging_level: int | None = None,
        sleep_dur: float | None = None,
        radio_mode: str | None = None,
        monitor_resources: bool | None = None,
        run_dir: str | None = None,
    ) -> Any:
        """Give back what was given: workers watch every call that a kernel with a hub sends them.

        Parsl's wrapped the function in one that reports, until 2024.

        Returns
        -------
        callable or tuple
            ``f``, or ``(f, args, kwargs)`` when there are arguments, as Parsl's did.
        """
        warn_once(
            "MonitoringHub.monitor_wrapper",
            "MonitoringHub.monitor_wrapper wraps nothing: workers watch every call. Leave it out.",
        )
        return f if args is None and kwargs is None else (f, args, kwargs)

    def close(self) -> None:
        """Write what is left and close the database. Quiet when it is not open."""
        record, self._record = self._record, None
        if record is not None:
            OPEN.remove(record.inbox)
            record.close()

    def begin(self, kernel: Kernel, info: dict[str, Any]) -> RunRecord:
        """Begin to record a kernel's run."""
        if self._record is None:
            raise _not_started()
        self._record.begin(kernel, info)
        return self._record

    def prepare(self, executor: Any) -> None:
        """Give an executor of somebody else's making, before it starts, what Parsl's contract says."""
        if self._record is not None and not hasattr(executor, "lane"):
            self._record.prepare(executor)

    def join(self, executor: Any) -> None:
        """Have an executor that was started report here."""
        if self._record is not None:
            self._record.join(executor)

    def look(self) -> None:
        """Note how blocks and nodes are before they are given back, and write all the faster: no task has to wait."""
        if self._record is not None:
            self._record.leaving()


def _folders(dfk_run_dir: Any, config_run_dir: Any, log_config: Any, run_dir: Any) -> tuple[str, str]:
    """The directories of a run and of all runs, of the arguments that ``start`` has had over the years."""
    if isinstance(log_config, (str, os.PathLike)):  # run_id, dfk_run_dir, config_run_dir
        dfk_run_dir, config_run_dir = config_run_dir, log_config
    run = os.path.abspath(dfk_run_dir or run_dir or "runinfo/000")
    return run, os.path.abspath(config_run_dir or os.path.dirname(run))


def _in_use() -> Exception:
    from parsl_on_dask.monitoring.errors import MonitoringHubStartError

    return MonitoringHubStartError(
        "this MonitoringHub records another kernel's run: give each Config a MonitoringHub of its own"
    )


def _not_started() -> Exception:
    from parsl_on_dask.monitoring.errors import MonitoringHubStartError

    return MonitoringHubStartError("this MonitoringHub is not started: load a Config(monitoring=...) with it first")
