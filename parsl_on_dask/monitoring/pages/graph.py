"""The task graph: grouped, so that it can be looked at however many tasks there are, and task by task."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parsl_on_dask.monitoring.pages.model import KINDS, Run, Task

#: Tasks up to which each can be drawn.
TASKS = 20_000
#: Groups up to which apps are divided by the step they are in.
STEPS = 60


@dataclass(slots=True)
class TaskGroup:
    """A group of tasks."""

    name: str
    layer: int
    counts: Counter[str] = field(default_factory=Counter)
    inner: int = 0
    x: float = 0.0
    y: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def parts(self) -> list[tuple[str, float, float]]:
        """For each kind that there is: the kind, and where it begins and how long it is, of 1."""
        at, found = 0.0, []
        for kind in KINDS:
            if self.counts[kind]:
                size = self.counts[kind] / self.total
                found.append((kind, at, size))
                at += size
        return found


@dataclass(slots=True)
class Edge:
    """How many tasks of one group wait for tasks of another."""

    path: str
    width: float
    count: int
    x: float
    y: float


@dataclass(slots=True)
class Drawing:
    """A grouped graph, laid out from top to bottom."""

    nodes: list[TaskGroup]
    edges: list[Edge]
    width: float
    height: float


#: Size of a node, and of the gaps, in units of the drawing.
WIDE, HIGH, GAP, RISE = 190.0, 62.0, 22.0, 52.0


def steps(tasks: Mapping[int, Task]) -> dict[int, int]:
    """How many tasks are before each one, on the longest way to it."""
    found: dict[int, int] = {}
    for number in sorted(tasks):
        if number in found:
            continue
        way = [number]  # a task may wait for one with a higher number, of a join
        entered = {number}
        while way:
            top = way[-1]
            below = [n for n in tasks[top].depends if n in tasks]
            missing = next((n for n in below if n not in found and n not in entered), None)
            if missing is None:
                found[top] = 1 + max((found.get(n, -1) for n in below), default=-1)
                way.pop()
            else:
                entered.add(missing)
                way.append(missing)
    return found


def by_app(run: Run) -> Drawing:
    """One node for each app."""
    return _drawn(run, {number: task.app for number, task in run.tasks.items()})


def by_step(run: Run) -> Drawing | None:
    """One node for each app and step; None when these are too many, or no more than the apps."""
    depth = steps(run.tasks)
    groups = {number: (task.app, depth[number]) for number, task in run.tasks.items()}
    count = len(set(groups.values()))
    if count > STEPS or count == len({task.app for task in run.tasks.values()}):
        return None
    return _drawn(run, groups)


def _drawn(run: Run, groups: Mapping[int, Hashable]) -> Drawing:
    depth = steps(run.tasks)
    nodes: dict[Hashable, TaskGroup] = {}
    depths: dict[Hashable, list[int]] = defaultdict(list)
    counted: Counter[tuple[Hashable, Hashable]] = Counter()
    for number, task in run.tasks.items():
        key = groups[number]
        node = nodes.setdefault(key, TaskGroup(task.app, 0))
        node.counts[task.kind] += 1
        depths[key].append(depth[number])
        for before in task.depends:
            if before in groups:
                counted[groups[before], key] += 1
    for key, node in nodes.items():
        node.inner = counted.pop((key, key), 0)
    _layer(nodes, depths, counted)
    width = _place(nodes, counted)
    edges = [_edge(nodes[a], nodes[b], count) for (a, b), count in counted.items()]
    height = max((n.y for n in nodes.values()), default=0.0) + HIGH + GAP
    return Drawing(list(nodes.values()), edges, width, height)


def _layer(nodes: dict[Hashable, TaskGroup], depths: dict[Hashable, list[int]], counted: Any) -> None:
    """Layers by the mean step of the tasks, without empty ones."""
    mean = {key: sum(found) / len(found) for key, found in depths.items()}
    # an app that another one waits for is above it, when it is not the other way round as well
    before: dict[Hashable, set[Hashable]] = defaultdict(set)
    for a, b in counted:
        if mean[a] < mean[b]:
            before[b].add(a)
    for key in sorted(nodes, key=lambda k: mean[k]):
        nodes[key].layer = 1 + max((nodes[a].layer for a in before[key]), default=-1)


def _place(nodes: dict[Hashable, TaskGroup], counted: Counter[tuple[Hashable, Hashable]]) -> float:
    layers: dict[int, list[Hashable]] = defaultdict(list)
    for key, node in nodes.items():
        layers[node.layer].append(key)
    neighbours: dict[Hashable, list[Hashable]] = defaultdict(list)
    for a, b in counted:
        neighbours[a].append(b)
        neighbours[b].append(a)
    most = 6  # in a row; more go below
    width = max((min(len(keys), most) for keys in layers.values()), default=1) * (WIDE + GAP) + GAP
    for _ in range(4):
        y = GAP
        for layer in sorted(layers):
            keys = layers[layer]
            order = {key: i for i, key in enumerate(keys)}

            def wish(key: Hashable, order: dict[Hashable, int] = order) -> tuple[float, int]:
                around = [nodes[n].x for n in neighbours[key] if n not in order]
                return (sum(around) / len(around) if around else width / 2, order[key])

            keys.sort(key=wish)
            for first in range(0, len(keys), most):
                row = keys[first : first + most]
                left = (width - len(row) * (WIDE + GAP) + GAP) / 2
                for i, key in enumerate(row):
                    nodes[key].x = left + i * (WIDE + GAP)
                    nodes[key].y = y
                y += HIGH + RISE
    return width


def _edge(a: TaskGroup, b: TaskGroup, count: int) -> Edge:
    x1, y1, x2, y2 = a.x + WIDE / 2, a.y + HIGH, b.x + WIDE / 2, b.y
    if b.y > a.y:
        bend = max(RISE * 0.6, (y2 - y1) / 2)
        path = f"M{x1:.0f},{y1:.0f} C{x1:.0f},{y1 + bend:.0f} {x2:.0f},{y2 - bend:.0f} {x2:.0f},{y2:.0f}"
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        if y2 - y1 > HIGH + RISE and abs(x1 - x2) < WIDE:  # it goes round what is between
            x = max(x1, x2) + WIDE * 0.62
            path = f"M{x1:.0f},{y1:.0f} C{x:.0f},{y1 + RISE:.0f} {x:.0f},{y2 - RISE:.0f} {x2:.0f},{y2:.0f}"
            x = x1 * 0.125 + x * 0.75 + x2 * 0.125
    else:  # to itself a layer up, or beside: round the side
        side = GAP * 0.8
        x1, x2 = a.x + WIDE, b.x + WIDE
        y1, y2 = a.y + HIGH / 2, b.y + HIGH / 2
        out = max(x1, x2) + side
        path = f"M{x1:.0f},{y1:.0f} C{out:.0f},{y1:.0f} {out:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
        x, y = out - side * 0.3, (y1 + y2) / 2
    return Edge(path, 1.2 + min(5.0, math.log10(count) * 1.4), count, x, y)


@dataclass(slots=True)
class Field:
    """Each task as a point; steps from left to right, tasks of one app and step in one block."""

    ids: list[int]
    x: list[float]
    y: list[float]
    lines: list[tuple[float, float, float, float]]
    blocks: list[tuple[float, float, float, float, str]]
    left_out: int


def each_task(run: Run, most_lines: int = 30_000) -> Field:
    """Lay out every task."""
    depth = steps(run.tasks)
    levels: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, task in run.tasks.items():
        levels[depth[number]][task.app].append(number)
    tallest = max((sum(map(len, apps.values())) for apps in levels.values()), default=1)
    rows = max(8, math.isqrt(tallest) * 2 if tallest > 40 else tallest)
    place: dict[int, tuple[float, float]] = {}
    left = 0.0
    blocks = []
    for level in sorted(levels):
        apps = levels[level]
        total = sum(map(len, apps.values()))
        columns = max(1, math.ceil(total / rows))
        heights = {app: math.ceil(len(members) / columns) for app, members in apps.items()}
        top = (sum(heights.values()) + 2 * len(apps) - 3) / 2
        for app, members in apps.items():
            for i, number in enumerate(members):
                place[number] = (left + i % columns, top - i // columns)
            across = min(columns, len(members))
            blocks.append((left - 0.75, left + across - 0.25, top - heights[app] + 0.25, top + 0.75, app))
            top -= heights[app] + 2
        left += columns + max(1.5, columns * 0.5)
    lines: list[tuple[float, float, float, float]] = []
    left_out = 0
    for number, task in run.tasks.items():
        for before in task.depends:
            if before in place:
                if len(lines) < most_lines:
                    lines.append((*place[before], *place[number]))
                else:
                    left_out += 1
    ids = list(place)
    return Field(ids, [place[n][0] for n in ids], [place[n][1] for n in ids], lines, blocks, left_out)
