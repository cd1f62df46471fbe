"""A release of Parsl beside what is known of Parsl: its names, and its own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ci.coverage.page import NEWEST, survey_with
from ci.programs import environments

CONFORMANCE = environments.REPOSITORY / "ci" / "conformance"
#: What Parsl's modules need to be imported, all of them.
WHOLE = "parsl[monitoring,visualization]=={}"


def known() -> str:
    """Return the release that this package is compared with."""
    release: str = json.loads((CONFORMANCE / "data" / "baseline.json").read_text())["parsl"]
    return release


def version(wanted: str) -> str:
    """Return the release that is meant: the newest one for ``"latest"``."""
    if wanted != "latest":
        return wanted
    asked = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", "parsl"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pip does not tell which releases of Parsl there are: {done.stderr.strip()}")
    return done.stdout.splitlines()[0].partition("(")[2].partition(")")[0]


def check(parsl: str, folder: Path) -> int:
    """Print what is different in a release of Parsl; return 0 if nothing is.

    Parameters
    ----------
    parsl
        The release.
    folder
        Where environments are made.
    """
    known = json.loads(NEWEST.read_text())
    print(f"Parsl {parsl}; what is known here is Parsl {known['version']}", flush=True)
    python = environments.make(folder / "release" / f"parsl-{parsl}", [WHOLE.format(parsl), "cloudpickle"], parsl, None)
    lines = list(differences(known["modules"], survey_with(python)["modules"]))
    print("\n".join(lines) if lines else "its names are the same", flush=True)
    with tempfile.TemporaryDirectory() as built:
        here = environments.make(folder / "release" / "here", [], parsl, environments.wheel(Path(built)))
    environment = {**os.environ, "CONFORMANCE_PYTHON": here, "CONFORMANCE_PARSL": parsl}
    status = subprocess.run([str(CONFORMANCE / "run")], env=environment, check=False).returncode
    return 1 if lines or status else 0


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Lines about the names that are new, gone, or have other parameters."""
    lines = []
    for module in sorted({*before, *after}):
        if module not in after:
            lines.append(f"gone: {module}")
            continue
        if module not in before:
            lines.append(f"new: {module}")
        old, new = before.get(module, {}), after[module]
        for name in sorted({*old, *new}):
            where = f"{module}.{name}"
            if name not in new:
                lines.append(f"gone: {where}")
            elif name not in old:
                lines.append(f"new: {where}")
            elif old[name] != new[name]:
                lines.append(f"changed: {where}: {json.dumps(old[name])} is now {json.dumps(new[name])}")
    return lines
