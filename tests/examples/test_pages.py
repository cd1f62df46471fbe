"""The Python in the pages for users runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


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
