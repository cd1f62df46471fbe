"""Run a notebook, and write down what becomes of each of its code cells: ``python programs_notebook.py FILE``."""

from __future__ import annotations

import json
import os
import sys

import nbclient
import nbformat

record = open(os.environ["PROGRAMS_RECORD"], "a", buffering=1)  # noqa: SIM115 - for the whole process
name = sys.argv[1]
book = nbformat.read(name, as_version=4)
client = nbclient.NotebookClient(
    book, timeout=int(os.environ["PROGRAMS_TEST_LIMIT"]), allow_errors=True, kernel_name="python3"
)
with client.setup_kernel():
    for number, cell in enumerate(book.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        entry = {"event": "report", "test": f"{name}::cell {number}", "outcome": "passed", "text": ""}
        try:
            client.execute_cell(cell, number)
        except Exception as error:
            entry.update(outcome="failed", text=f"{type(error).__name__}: {error}"[-1500:])
        for output in cell.outputs:
            if output.output_type == "error":
                entry.update(outcome="failed", text=f"{output.ename}: {output.evalue}"[-1500:])
        record.write(json.dumps(entry) + "\n")
