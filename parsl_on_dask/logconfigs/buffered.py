"""A file handler that formats and writes its records later, many at a time.

Formatting and writing a line takes longer than anything else that happens to a task when it is submitted. This
handler only keeps what is to be written; a thread formats and writes it a moment later. A killed process loses the
lines of that moment, and a clean one none.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from typing import Any

#: Seconds between two rounds of writing.
INTERVAL = 0.1

_SIMPLE = (str, int, float, bool, type(None))


class BufferedFileHandler(logging.Handler):
    """Writes records to a file, from a thread of its own.

    - `filename`: lines are appended.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as d:
    ...     handler = BufferedFileHandler(os.path.join(d, "a.log"))
    ...     handler.handle(logging.makeLogRecord({"msg": "hello", "levelno": 20}))
    ...     handler.close()
    ...     print(open(os.path.join(d, "a.log")).read().strip())
    True
    hello
    """

    def __init__(self, filename: str | os.PathLike[str]) -> None:
        super().__init__()
        self.file = open(filename, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        self.pending: deque[Any] = deque()
        self.prefixes: dict[int, str] = {}
        self.writing = threading.Lock()
        self.ended = threading.Event()
        self.process = os.getpid()
        self.thread = threading.Thread(target=self._write_on, name="parsl-log", daemon=True)
        self.thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record. What its arguments look like is settled now, as they may change."""
        if self.process != os.getpid():  # a forked child must not write its parent's lines again
            return
        args = record.args
        if args and not (isinstance(args, tuple) and all(type(a) in _SIMPLE for a in args)):
            record.msg, record.args = record.getMessage(), None
        self.pending.append(record)

    def line(self, text: str, *args: Any) -> None:
        """Keep a line of the kernel's: the shortest way into the file, for what is written several times a task."""
        self.pending.append((time.time(), threading.get_ident(), text, args))

    def _write_on(self) -> None:
        while not self.ended.wait(INTERVAL):
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if not self.pending or self.process != os.getpid():
            return
        with self.writing:
            lines = []
            for _ in range(len(self.pending)):
                item = self.pending.popleft()
                try:
                    lines.append(self._line(item) if type(item) is tuple else self.format(item))
                except Exception as e:
                    lines.append(f"{time.time():f} a log record cannot be written: {e!r}")
            lines.append("")
            try:
                self.file.write("\n".join(lines))
                self.file.flush()
            except (OSError, ValueError):
                # a full disk must not stop a workflow over its log
                pass

    def _line(self, item: tuple[float, int, str, tuple[Any, ...]]) -> str:
        created, ident, text, args = item
        prefix = self.prefixes.get(ident)
        if prefix is None:
            name = next((t.name for t in threading.enumerate() if t.ident == ident), "Thread")
            prefix = f"MainProcess-{self.process} {name}-{ident} parsl.dataflow.dflow:0 kernel INFO: "
            self.prefixes[ident] = prefix
        second = int(created)
        if second != getattr(self, "_second", None):
            self._second = second
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{created:f} {self._stamp} {prefix}{text % args}"

    def close(self) -> None:
        """Write the rest and close the file."""
        self.ended.set()
        if self.process == os.getpid():
            self.flush()
        try:
            self.file.close()
        except OSError:  # it tries once more to write what did not fit
            pass
        super().close()
