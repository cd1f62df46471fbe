"""The Python in the pages for users runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.check import plan

DOCS = Path(__file__).parents[2] / "docs"
KINDS = ("python", "bash")


def test_the_page_on_checkpoints(tmp_path: Path) -> None:
    """Its blocks are one script; the second time its first call is not run."""
    text = (DOCS / "checkpoint.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 4
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks).replace("return steps *", "print('simulating'); return steps *"))
    outputs = []
    for _ in range(2):
        done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr
        outputs.append(done.stdout)
    first, second = outputs
    assert first.splitlines()[:2] == ["simulating", "400"] and second.splitlines()[0] == "400"
    shown = re.search(r"^```\nCall of app.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert shown is not None
    for explained in outputs:
        assert "differs in keyword steps." in explained and explained.endswith(shown[1])


def sections(page: str, level: str) -> dict[str, str]:
    """Text below each heading of a level."""
    parts = re.split(rf"^{level} (.*)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


HPC = (DOCS / "hpc.md").read_text()


@pytest.mark.parametrize("system", [s for s, text in sections(HPC, "###").items() if "provider = " in text])
def test_job_scripts_on_the_page_on_batch_systems(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line of the script that the page shows is in the script that the provider makes, in this order."""
    monkeypatch.chdir(tmp_path)
    text = sections(HPC, "###")[system]
    python, shell = (re.findall(rf"^```{kind}\n(.*?)^```", text, re.DOTALL | re.MULTILINE) for kind in KINDS)
    names: dict[str, Any] = {}
    exec(python[0], names)
    rest = names["provider"].script()
    for line in shell[0].splitlines():
        _, found, rest = rest.partition("\n" + line)
        assert found, f"{line!r} comes not here in\n{names['provider'].script()}"


def test_the_other_python_of_the_page_on_batch_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = []
    for block in re.findall(r"^```python\n(.*?)^```", HPC, re.DOTALL | re.MULTILINE):
        exec(block, names)
        executor = names.pop("executor", None) or (names.pop("config").executors[0] if "config" in names else None)
        if executor is not None:
            shown.append((executor.provider.max_blocks, getattr(executor.provider, "walltime", None)))
    assert 4 in dict(shown) and (10, "01:00:00") in shown


def test_the_page_on_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks are one script; each executor's words are in the script of its jobs, and start the workers there."""
    monkeypatch.chdir(tmp_path)
    page = (DOCS / "containers.md").read_text()
    names: dict[str, Any] = {}
    shown = 0
    for block in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        exec(block, names)
        executor = names.pop("executor", None) or (names.pop("config").executors[0] if "config" in names else None)
        if executor is not None:
            text = plan.explain(parsl.Config(executors=[executor]))
            started = rf"{re.escape(executor.python)} RUN_DIRECTORY\S*/start.py RUN_DIRECTORY\S*/nodes/block-0.json"
            assert re.search(rf"^ *\\| {started}( &)?$", str(text), re.MULTILINE)
            shown += 1
    assert shown == 3
    launched = names["provider"].launcher("work", 1, 1)
    assert launched == "apptainer exec image.sif work" and "WrappedLauncher" in page


def test_the_page_on_files(tmp_path: Path) -> None:
    """Its blocks are one script, which describes executors that it does not load."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "files.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 3
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout == "apple\n" and (tmp_path / "sorted.txt").read_text() == "apple\npear\n"
