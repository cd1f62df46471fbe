"""Queues and processes of Python's ``multiprocessing`` with a fixed start method, by Parsl's names."""

from __future__ import annotations

import multiprocessing
import sys

SpawnContext = multiprocessing.get_context("spawn")
SpawnProcess = SpawnContext.Process
SpawnQueue = SpawnContext.Queue
SpawnEvent = SpawnContext.Event

if sys.platform != "win32":
    ForkProcess = multiprocessing.get_context("fork").Process
