"""Where progress is shown: a terminal, a notebook, or a file that takes lines."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import IO, Any

from parsl_on_dask.monitoring.counts import AppCounts, Pace, total

#: Apps that have a bar of their own; the others share one.
APPS = 20

_STYLES = {"done": "green", "cached": "magenta", "running": "blue", "failed": "red", "waiting": "bright_black"}


def in_notebook() -> bool:
    """Whether this is an IPython kernel, which shows HTML; not IPython in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None


def shortened(rows: Sequence[AppCounts]) -> list[AppCounts]:
    """At most so many rows as fit; those that still have something to do come first."""
    if len(rows) <= APPS:
        return list(rows)
    order = sorted(rows, key=lambda r: not (r.running or r.waiting))
    chosen = set(order[: APPS - 1])
    rest = [row for row in rows if row not in chosen]
    return [row for row in rows if row in chosen] + [total(rest)._replace(app=f"{len(rest)} other apps")]


def parts(row: AppCounts, width: int) -> list[tuple[str, int]]:
    """How many cells of a bar each kind takes: what there is gets at least one, and all together the width.

    Examples
    --------
    >>> parts(AppCounts("a", 990, 0, 9, 0, 1), 10)
    [('done', 8), ('running', 1), ('failed', 1)]
    >>> parts(AppCounts("a", 0, 0, 0, 0, 0), 10)
    [('waiting', 10)]
    """
    there = [(kind, n) for kind in _STYLES if (n := getattr(row, kind))]
    if not there:
        return [("waiting", width)]
    cells = {kind: max(1, n * width // row.total) for kind, n in there}
    largest = max(there, key=lambda pair: pair[1])[0]
    cells[largest] += width - sum(cells.values())
    return [(kind, cells[kind]) for kind, _ in there if cells[kind] > 0]


class Terminal:
    """Bars in a terminal, by rich.

    Raises ImportError without rich.
    """

    slow = False

    def __init__(self, file: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live

        self.console = Console(file=file)
        # what the program prints goes above the bars, if it goes to this terminal
        self.live = Live(
            console=self.console,
            auto_refresh=False,
            redirect_stdout=is_terminal(sys.stdout),
            redirect_stderr=is_terminal(sys.stderr),
        )

    def open(self) -> None:
        self.live.start()

    def show(self, rows: Sequence[AppCounts], pace: Pace) -> None:
        self.live.update(self.drawn(rows, pace), refresh=True)

    def close(self, rows: Sequence[AppCounts], pace: Pace) -> None:
        self.show(rows, pace)
        self.live.stop()

    def drawn(self, rows: Sequence[AppCounts], pace: Pace) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        last = Text(foot(rows, pace), "dim", no_wrap=True, overflow="ellipsis")
        rows = shortened(rows)
        room = self.console.width - 4
        names = min(max([4, *(len(row.app) for row in rows)]), max(8, room // 4))
        shares = max([3, *(len(f"{row.ended:,}/{row.total:,}") for row in rows)])
        words = max([7, *(len(self.words(row)) for row in rows)])
        # the bar takes what the words leave, and a little in any case
        width = max(6, min(40, room - names - shares - words))
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True, overflow="ellipsis", width=names)
        table.add_column(no_wrap=True, width=width)
        table.add_column(no_wrap=True, justify="right", width=shares)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for row in rows:
            bar = Text()
            for kind, cells in parts(row, width):
                bar.append("━" * cells, _STYLES[kind])
            table.add_row(row.app, bar, f"{row.ended:,}/{row.total:,}", self.words(row))
        return Group(table, last)

    def words(self, row: AppCounts) -> Any:
        from rich.text import Text

        text = Text()
        for kind in ("running", "waiting", "failed", "cached", "done"):
            count = getattr(row, kind)
            if count:
                text.append((" " if text else "") + f"{count:,} {kind}", _STYLES[kind])
        return text


def is_terminal(file: Any) -> bool:
    """Whether a file is a terminal."""
    try:
        return bool(file.isatty())
    except (AttributeError, ValueError):  # no real file, or a closed one
        return False


def foot(rows: Sequence[AppCounts], pace: Pace) -> str:
    """What stands below the bars."""
    every = total(rows)
    return f"{every.ended:,} of {every.total:,} tasks ended, {pace.text()}"


class Notebook:
    """Bars in the output of a notebook's cell."""

    slow = False

    def __init__(self) -> None:
        self.handle: Any = None

    def open(self) -> None:
        from IPython.display import HTML, display

        self.handle = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]

    def show(self, rows: Sequence[AppCounts], pace: Pace) -> None:
        from IPython.display import HTML

        from parsl_on_dask.monitoring.notebook import bars_html

        self.handle.update(HTML(bars_html(shortened(rows), foot(rows, pace))))  # type: ignore[no-untyped-call]

    def close(self, rows: Sequence[AppCounts], pace: Pace) -> None:
        self.show(rows, pace)


class Lines:
    """A line now and then, for logs and pipes."""

    slow = True

    def __init__(self, file: IO[str], hint: str = "") -> None:
        self.file = file
        self.hint = hint
        self.last = ""

    def open(self) -> None:
        if self.hint:
            self._write(f"parsl: {self.hint}")

    def show(self, rows: Sequence[AppCounts], pace: Pace) -> None:
        text = f"parsl: {self._numbers(rows)}"
        if rows and text != self.last:
            self.last = text
            self._write(f"{text}; {pace.text()}")

    def close(self, rows: Sequence[AppCounts], pace: Pace) -> None:
        text = f"parsl: {self._numbers(rows)}"
        if text != self.last:
            self._write(f"{text}; {pace.text()}")
        if len(rows) > 1:
            for row in shortened(rows):
                self._write(f"parsl:   {row.app}: {row.in_words()}")

    def _numbers(self, rows: Sequence[AppCounts]) -> str:
        every = total(rows)
        return f"{every.ended:,} of {every.total:,} tasks ended: {every.in_words()}"

    def _write(self, text: str) -> None:
        try:
            self.file.write(text + "\n")
            self.file.flush()
        except (OSError, ValueError):  # whoever read it is gone; the tasks are not
            pass
