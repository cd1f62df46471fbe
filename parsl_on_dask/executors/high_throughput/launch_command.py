"""Reads ``launch_cmd`` of a HighThroughputExecutor for what can be done here.

In Parsl ``launch_cmd`` is the command line of a worker pool. Here something else starts on a node; but what people put
in front of that program, to prepare its environment or to wrap it, goes in front of ours just as well.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from itertools import pairwise
from string import Formatter

from parsl_on_dask.common.arguments import short
from parsl_on_dask.errors import ConfigurationError

#: Parsl's texts. Programs take them apart, and put something in front.
DEFAULT = (
    "process_worker_pool.py {debug} {max_workers_per_node} -a {addresses} -p {prefetch_capacity} "
    "-c {cores_per_worker} -m {mem_per_worker} --poll {poll_period} --port={worker_port} --cert_dir {cert_dir} "
    "--logdir={logdir} --logconf={logconf} --block_id={{block_id}} --hb_period={heartbeat_period} "
    "{address_probe_timeout_string} --hb_threshold={heartbeat_threshold} --drain_period={drain_period} "
    "--cpu-affinity {cpu_affinity} {enable_mpi_mode} --mpi-launcher={mpi_launcher} "
    "--available-accelerators {accelerators}"
)
INTERCHANGE = ["interchange.py"]

_WORD = r"[^\s;&|]*"
_COMMAND = re.compile(
    rf"(?P<before>.*?)(?<!\w)(?:(?:{_WORD}/)?python[\d.]*\s+(?:-\w+\s+)*?"
    rf"(?:-m\s+parsl\.executors\.high_throughput\.process_worker_pool|{_WORD}process_worker_pool\.py)"
    rf"|(?:{_WORD}/)?process_worker_pool\.py)(?P<arguments>\s.*|)",
    re.DOTALL,
)

#: Options of the worker pool that say how many workers there are and what they get, and the executor's arguments.
_OPTIONS = {
    "--available-accelerators": "available_accelerators",
    "--cores_per_worker": "cores_per_worker",
    "--cpu-affinity": "cpu_affinity",
    "--debug": "worker_debug",
    "--drain_period": "drain_period",
    "--max_workers": "max_workers_per_node",
    "--max_workers_per_node": "max_workers_per_node",
    "--mem_per_worker": "mem_per_worker",
    "-c": "cores_per_worker",
    "-d": "worker_debug",
    "-m": "mem_per_worker",
}


@cache
def prefix(owner: str, launch_cmd: str) -> str:
    """Return what stands in front of Parsl's worker pool, to be put in front of ours.

    - `owner`: the executor's class, for the error.

    Raises ConfigurationError when another program is started, when something follows it, or when its options say what
    the executor's arguments should.

    Examples
    --------
    >>> prefix("HighThroughputExecutor", "apptainer exec image.sif /opt/bin/process_worker_pool.py {debug}")
    'apptainer exec image.sif'
    """

    def refused(why: str) -> ConfigurationError:
        return ConfigurationError(f"{owner}(launch_cmd={short(launch_cmd)}): {why}")

    found = _COMMAND.fullmatch(launch_cmd)
    if found is None:
        raise refused(
            "Parsl's worker program does not run here, and no other program replaces it. Leave launch_cmd out, or "
            "write what belongs in front of process_worker_pool.py; launcher=WrappedLauncher('...') of the provider "
            "does the same."
        )
    try:
        words = list(shlex.shlex(found["arguments"], posix=True, punctuation_chars=True))
        text = _filled_in(_filled_in(found["before"])).strip()
        shlex.split(text)
    except ValueError as error:
        raise refused(f"it cannot be read ({error}). A literal brace is written four times.") from None
    if any(set(word) <= set(";&|<>()") for word in words if word):
        raise refused("nothing can follow process_worker_pool.py and its options. Put it in front.")
    for option, value in _options(found["arguments"]):
        if option in _OPTIONS and "{" not in value:
            raise refused(f"{option} has no effect. Write {_OPTIONS[option]}= of {owner} instead.")
    return text


def _filled_in(text: str) -> str:
    """A format text whose braces are all doubled, with single ones."""
    parts = list(Formatter().parse(text))
    named = [name for _, name, _, _ in parts if name is not None]
    if named:
        raise ValueError(f"{{{named[0]}}} is known only behind process_worker_pool.py")
    return "".join(literal for literal, *_ in parts)


def _options(arguments: str) -> list[tuple[str, str]]:
    """Options and what follows them."""
    found = []
    for word, following in pairwise([*arguments.split(), ""]):
        option, equals, value = word.partition("=")
        if option.startswith("-"):
            found.append((option, value if equals else "" if following.startswith("-") else following))
    return found
