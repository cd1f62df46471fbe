"""The stages of a try, and the moves between them.

A try is one attempt at one task. Its stage is one value, and it changes in one place, :func:`step`, under one lock,
whoever asks: the kernel, a lane's thread, a script that cancels. Whoever loses a race is told so and does nothing.
A move that nobody should ever ask for raises :class:`IllegalMove`.
"""

from __future__ import annotations

import os
import threading
from enum import IntEnum


class Stage(IntEnum):
    """How far a try is."""

    WAITING = 0
    """The task waits for what it depends on."""

    LAUNCHING = 1
    """The kernel looks into the cache, puts values in the places of futures, and chooses the lane."""

    AHEAD = 2
    """Packed before what it waits for is done; not with a worker."""

    AHEAD_SENT = 3
    """Sent to a worker, behind the calls that it waits for."""

    EARLY = 4
    """Ran before the task was launched; its outcome is kept until then."""

    READY = 5
    """Given to the lane, and not sent."""

    SENT = 6
    """With a worker, or with a thread."""

    DONE = 7
    """Has its outcome."""

    CANCELLED = 8
    """Will not run: somebody cancelled the task."""

    DROPPED = 9
    """Went ahead, and is not wanted any more: the task ended without it."""


class Move:
    """What may happen to a try.

    - `ends`: the stages that it starts from, and where each of them leads.
    - `late`: the stages in which it comes too late, and changes nothing.
    """

    __slots__ = ("ends", "name")

    def __init__(self, name: str, ends: dict[Stage, Stage], late: set[Stage] | frozenset[Stage]) -> None:
        self.name = name
        self.ends: dict[Stage, Stage | None] = {**dict.fromkeys(late, None), **ends}

    def __repr__(self) -> str:
        return f"<move {self.name!r}>"


class IllegalMove(RuntimeError):
    """A try was to make a move that does not exist from its stage: a mistake of this package."""


OVER = frozenset({Stage.DONE, Stage.CANCELLED, Stage.DROPPED})
_S = Stage

LAUNCH = Move("launch", {_S.WAITING: _S.LAUNCHING}, {_S.AHEAD, _S.AHEAD_SENT, _S.EARLY, _S.LAUNCHING, *OVER})
"""Everything that the task waits for is done. A try that went ahead keeps its stage until it is submitted."""

PREPARE = Move("prepare", {_S.WAITING: _S.AHEAD}, {_S.LAUNCHING, _S.READY, _S.SENT, *OVER})
"""Let it go ahead."""

GO = Move("go", {_S.AHEAD: _S.AHEAD_SENT}, {_S.AHEAD_SENT, _S.EARLY, _S.READY, _S.SENT, *OVER})
"""The lane sends it behind its leaders."""

SUBMIT = Move(
    "submit",
    {_S.LAUNCHING: _S.READY, _S.AHEAD: _S.READY, _S.AHEAD_SENT: _S.SENT, _S.EARLY: _S.DONE},
    {_S.CANCELLED, _S.DROPPED},
)
"""The kernel gives it to the lane."""

BEGIN = Move("begin", {_S.LAUNCHING: _S.SENT}, {_S.CANCELLED, _S.DROPPED})
"""The kernel gives it to the very thread that runs it next."""

CLAIM = Move("claim", {_S.READY: _S.SENT}, OVER)
"""A worker gets it, or a thread."""

RETURN = Move("return", {_S.SENT: _S.READY, _S.AHEAD_SENT: _S.AHEAD}, {_S.READY, _S.AHEAD, *OVER})
"""It comes back and was not run, or does not count as run."""

FINISH = Move(
    "finish",
    {_S.LAUNCHING: _S.DONE, _S.READY: _S.DONE, _S.SENT: _S.DONE, _S.AHEAD_SENT: _S.EARLY},
    {_S.AHEAD, _S.EARLY, *OVER},
)
"""Its outcome is there."""

CANCEL = Move(
    "cancel",
    {
        _S.WAITING: _S.CANCELLED,
        _S.LAUNCHING: _S.CANCELLED,
        _S.AHEAD: _S.CANCELLED,
        _S.READY: _S.CANCELLED,
    },
    {_S.AHEAD_SENT, _S.EARLY, _S.SENT, *OVER},
)
"""The script does not want it."""

DROP = Move(
    "drop",
    {_S.AHEAD: _S.DROPPED, _S.AHEAD_SENT: _S.DROPPED, _S.EARLY: _S.DROPPED},
    {_S.WAITING, _S.LAUNCHING, _S.READY, _S.SENT, *OVER},
)
"""The task has ended: what went ahead for it is in vain."""

MOVES = (LAUNCH, PREPARE, GO, SUBMIT, BEGIN, CLAIM, RETURN, FINISH, CANCEL, DROP)

#: The lock under which tries change. It is held for a few instructions, and never while anything of a user's runs.
lock = threading.RLock()


def _after_fork() -> None:
    # no other thread is there to give it back
    global lock
    lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def end_of(stage: Stage, move: Move) -> Stage | None:
    """Where a move leads from a stage; None when it comes too late.

    Raises IllegalMove when it should never be asked for there.

    Examples
    --------
    >>> end_of(Stage.READY, CANCEL)
    <Stage.CANCELLED: 8>
    >>> end_of(Stage.SENT, CANCEL) is None
    True
    """
    try:
        return move.ends[stage]
    except KeyError:
        raise illegal(stage, move) from None


def illegal(stage: Stage, move: Move) -> IllegalMove:
    """The error for a move that does not exist from a stage."""
    return IllegalMove(f"a try that is {stage.name} was to {move.name}")


def table() -> str:
    """The moves as a table in Markdown, as ``docs/design.md`` shows it."""
    lines = ["| Stage | " + " | ".join(move.name for move in MOVES) + " |", "|---" * (len(MOVES) + 1) + "|"]
    for stage in Stage:
        cells = []
        for move in MOVES:
            end = move.ends.get(stage, stage)
            cells.append("error" if stage not in move.ends else "·" if end is None else end.name)
        lines.append(f"| **{stage.name}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)
