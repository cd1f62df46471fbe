"""``worker-extra-args``: options of Dask's own command ``dask worker``, as far as the workers of blocks have them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: options that take no value, and say what is so anyway or makes no difference here
_FLAGS = {"--nanny", "--no-nanny", "--dashboard", "--no-dashboard", "--no-lifetime-restart"}
#: options with a value that makes no difference here: there is no nanny, no limit and no page of a worker's own
_IGNORED = {"--memory-limit", "--dashboard-address", "--dashboard-prefix", "--nanny-port", "--preload-nanny"}
#: why others are refused
_REFUSED = {
    "--lifetime-restart": "the node of a worker is given back at the end of its lifetime. Leave the option out",
    "--worker-class": "workers of blocks have a class of their own. Leave the option out",
    "--name": "workers are named after their blocks. Leave the option out",
    "--scheduler-file": "the scheduler is started for the run. Leave the option out, or give DaskExecutor("
    "scheduler_file=...)",
    "--host": "write interface: in jobqueue.yaml",
    "--listen-address": "write interface: in jobqueue.yaml",
    "--contact-address": "write interface: in jobqueue.yaml",
    "--worker-port": "workers take any free port. Leave the option out",
    "--protocol": "write encrypted=False in the executor for tcp://",
    "--tls-ca-file": "certificates are made for the run. Leave the option out",
    "--tls-cert": "certificates are made for the run. Leave the option out",
    "--tls-key": "certificates are made for the run. Leave the option out",
    "--scheduler-sni": "certificates are made for the run. Leave the option out",
}
_TAKEN = {
    "--resources",
    "--lifetime",
    "--lifetime-stagger",
    "--preload",
    "--interface",
    "--local-directory",
    "--death-timeout",
    "--nthreads",
    "--nworkers",
}


@dataclass(frozen=True)
class WorkerOptions:
    """What ``worker-extra-args`` say.

    Where they come from: the options of ``dask worker``.

    - `resources`: Dask's abstract resources that a worker process offers.
    - `lifetime`: seconds after which workers take no more calls and leave.
    - `stagger`: seconds by which that is more or less, by chance, for each worker.
    - `preload`: modules, files or texts that are run in each worker when it starts.
    - `preload_argv`: words that these are given.
    - `death_timeout`: as the settings of these names, over which they win.
    - `threads`, `processes`: of a process, and of a node.
    """

    resources: Mapping[str, float] = field(default_factory=dict)
    lifetime: float | None = None
    stagger: float = 0.0
    preload: tuple[str, ...] = ()
    preload_argv: tuple[str, ...] = ()
    interface: str | None = None
    local_directory: str | None = None
    death_timeout: float | None = None
    threads: int | None = None
    processes: int | None = None


def worker_options(given: str | Iterable[Any] | None) -> WorkerOptions:
    """Read ``worker-extra-args``.

    - `given`: options, each with its value or apart from it; put together they are words of a shell's, as with
      dask-jobqueue.

    Raises ValueError for an option that workers of blocks do not have, and for a value that cannot be read.

    Examples
    --------
    >>> found = worker_options(["--resources GPU=1", "--lifetime", "55m", "--preload", "setup.py"])
    >>> found.resources, found.lifetime, found.preload
    ({'GPU': 1.0}, 3300.0, ('setup.py',))
    """
    text = given if isinstance(given, str) else " ".join(map(str, given or ()))
    found: dict[str, list[str]] = {}
    rest: list[str] = []
    words = shlex.split(text)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            rest.append(word)  # preloads are given what is left
        elif name in _FLAGS:
            continue
        elif name in _TAKEN or name in _IGNORED or name == "--nprocs":
            if not equals and not words:
                raise ValueError(f"{name} needs a value")
            found.setdefault(name, []).append(value if equals else words.pop(0))
        elif name not in _REFUSED and "--preload" in found:
            rest.append(word)
        else:
            known = ", ".join(sorted(_TAKEN))
            raise ValueError(f"{name} is refused: {_REFUSED.get(name, f'workers of blocks take {known}')}")
    if rest and "--preload" not in found:
        raise ValueError(f"{rest[0]!r} is no option; what --preload is given stands behind it")
    return _options(found, rest)


def _options(found: Mapping[str, Sequence[str]], rest: Sequence[str]) -> WorkerOptions:
    last = {name: values[-1] for name, values in found.items()}
    processes = last.get("--nworkers", last.get("--nprocs"))
    return WorkerOptions(
        resources=_resources(last.get("--resources", "")),
        lifetime=_seconds(last.get("--lifetime")),
        stagger=_seconds(last.get("--lifetime-stagger")) or 0.0,
        preload=tuple(found.get("--preload", ())),
        preload_argv=tuple(rest),
        interface=last.get("--interface"),
        local_directory=last.get("--local-directory"),
        death_timeout=_seconds(last.get("--death-timeout")),
        threads=_count("--nthreads", last.get("--nthreads")),
        processes=_count("--nworkers", processes),
    )


def _resources(text: str) -> dict[str, float]:
    found = {}
    for pair in text.replace(",", " ").split():
        name, _, amount = pair.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            raise ValueError(f"--resources {text!r}: write for example 'GPU=2 MEM=1e9'") from None
    return found


def _seconds(text: str | None) -> float | None:
    from dask.utils import parse_timedelta

    if text is None:
        return None
    try:
        return float(parse_timedelta(text, "s"))
    except (ValueError, KeyError):
        raise ValueError(f"{text!r} is no time; write for example 55m or '1 hour'") from None


def _count(name: str, text: str | None) -> int | None:
    if text is None or text == "auto" or (text.isdigit() and not int(text)):
        return None
    try:
        count = int(text)
    except ValueError:
        count = -1
    if count < 1:
        raise ValueError(f"{name} {text}: write a whole number from 1 up")
    return count
