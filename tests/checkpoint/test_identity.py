"""What a change of an app's source does to its keys."""

from __future__ import annotations

import functools
import importlib
import itertools
import json
import linecache
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from parsl_on_dask.checkpoint.identity import identity_of, source_digest
from parsl_on_dask.checkpoint.keys import make_hash
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.remote.shell import run_bash
from parsl_on_dask.remote.walltime import timeout
from tests.helpers import shown

Import = Callable[..., ModuleType]

numbers = itertools.count()

MODULE = '''
import functools
import math
from parsl_on_dask import python_app
from {package} import other
from {package}.other import Tool, far

FACTOR = 3
TABLE = {{"a": 1}}

def helper(x):
    return far(x) + FACTOR

def deco(f):
    @functools.wraps(f)
    def wrapper(*args):
        return f(*args)
    return wrapper

def unused(x):
    return x

def plain(x):
    """Says something."""
    # and a remark
    return math.sqrt(helper(x))

@python_app(cache=True, executors=["a"])
def app(x):
    return plain(x)

def by_module(x):
    return other.far(x)

def by_class(x):
    return Tool(x).run()

def by_table(x):
    return TABLE[x]

@deco
def decorated(x):
    return x

def maker(k):
    def inner(x):
        return helper(x) * k
    return inner

def with_default(x, k=FACTOR):
    return x * k

unnamed = lambda x: helper(x) * 2

def nested(x):
    return [helper(i) for i in range(x)]
'''
OTHER = """
LIMIT = 10

def far(x):
    return min(x, LIMIT)

class Base:
    def start(self):
        return 1

class Tool(Base):
    size = LIMIT

    def __init__(self, x):
        self.x = x

    def run(self):
        return far(self.x)
"""
NAMES = ("plain", "by_module", "by_class", "by_table", "decorated", "with_default", "unnamed", "nested")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a package with some replacements, import it, forget it: always under the same name and path."""
    name = f"identity_case_{next(numbers)}"
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(*changes: tuple[str, str]) -> dict[str, str]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("")
        for file, text in (("main", MODULE), ("other", OTHER)):
            for old, new in changes:
                text = text.replace(old, new)
            (folder / f"{file}.py").write_text(text.format(package=name) if file == "main" else text)
        for known in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[known]
        importlib.invalidate_caches()
        linecache.clearcache()
        module = importlib.import_module(f"{name}.main")
        found = {n: source_digest(getattr(module, n)) for n in NAMES}
        found["app"] = source_digest(module.app.func)
        found["inner"] = source_digest(module.maker(2))
        found["inner 3"] = source_digest(module.maker(3))
        return found

    return write


def changed_by(load: Any, *changes: tuple[str, str]) -> set[str]:
    before, after = load(), load(*changes)
    return {name for name in before if before[name] != after[name]}


VIA_HELPER = {"plain", "app", "inner", "inner 3", "unnamed", "nested"}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (("# and a remark", "# and another\n\n"), set()),
        (('"""Says something."""', '"""Says nothing."""'), set()),
        (("return math.sqrt(helper(x))", "return (math.sqrt(\n  helper(x) ))"), set()),
        (("cache=True, executors=['a']", "cache=True"), set()),
        (('executors=["a"]', 'executors=["b"]'), set()),
        (("def unused(x):\n    return x", "def unused(x):\n    return -x"), set()),
        (("return math.sqrt(helper(x))", "return math.sqrt(helper(x)) + 1"), {"plain", "app"}),
        (("return far(x) + FACTOR", "return far(x) - FACTOR"), VIA_HELPER),
        (("FACTOR = 3", "FACTOR = 4"), {*VIA_HELPER, "with_default"}),
        (("FACTOR = 3", "FACTOR = 1 + 2"), set()),
        (("LIMIT = 10", "LIMIT = 11"), {*VIA_HELPER, "by_module", "by_class"}),
        (("return far(self.x)", "return far(self.x) + 1"), {"by_class"}),
        (("def start(self):\n        return 1", "def start(self):\n        return 2"), {"by_class"}),
        (('{{"a": 1}}', '{{"a": 2}}'), {"by_table"}),
        (("return f(*args)", "return f(*args) + 1"), {"decorated"}),
        (("helper(x) * 2", "helper(x) * 3"), {"unnamed"}),
        (("for i in range(x)", "for i in range(x + 1)"), {"nested"}),
        (("return helper(x) * k", "return helper(x) / k"), {"inner", "inner 3"}),
    ],
    ids=lambda p: shown(p)[:60],
)
def test_what_a_change_does(load: Any, change: tuple[str, str], names: set[str]) -> None:
    assert changed_by(load, change) == names


def test_what_a_closure_holds_counts(load: Any) -> None:
    found = load()
    assert found["inner"] != found["inner 3"]


SCRIPT = '''
import json, sys, dataclasses, enum
from functools import partial, lru_cache
from parsl_on_dask import python_app, bash_app
from parsl_on_dask.checkpoint.identity import source_digest

NAMES = frozenset(["alpha", "beta", "gamma", "delta"])
STEPS = {"a": abs, "b": lambda x: x + 1}

class Colour(enum.Enum):
    RED = 1

@dataclasses.dataclass
class Mesh:
    """A mesh."""
    name: str = "m"
    def area(self):
        return twice(len(NAMES))

@lru_cache
def twice(x):
    return 2 * x

def walk(x):
    return walk(x - 1) if x in NAMES else [Mesh(c).area() for c in STEPS] + [Colour.RED]

@python_app(cache=True)
def app(x, y: int = 2, *, z=NAMES):
    first = {k: f"{v!r:>{y}}" for k, v in x.items()}
    try:
        return first, twice(x), walk(x), other(x)
    except (ValueError, KeyError) as e:
        raise RuntimeError("no") from e

@bash_app
def other(x, stdout=None):
    match x:
        case {"a": None}: return "true"
        case [1, *rest] if rest: return "false"
    return f"echo {x}"

for i in range(3):
    x = i
print(json.dumps([source_digest(f) for f in (app.func, other.wrapped_remote_function, partial(walk, 2), Mesh)]))
'''


def run_script(path: Path, seed: str) -> Any:
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    done = subprocess.run([sys.executable, str(path)], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_source_does_not_depend_on_process_or_place(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    paths = [tmp_path / "a.py", tmp_path / "deep" / "b.py"]
    for path in paths:
        path.write_text(SCRIPT)
    found = run_script(paths[0], "1")
    assert len(set(found)) == 4
    assert run_script(paths[0], "2") == run_script(paths[1], "3") == found
    # the same in Python 3.10 to 3.14
    assert found == json.loads(Path(__file__).with_name("source_digests.json").read_text())


def test_walltime_bash_and_partial_are_looked_through() -> None:
    def command(x: Any) -> str:
        return f"echo {x}"

    digest = source_digest(command)
    assert source_digest(timeout(command, 5)) == digest
    assert source_digest(functools.partial(run_bash, command)) == digest
    assert source_digest(functools.partial(command, 1)) == digest
    assert source_digest(timeout(functools.partial(run_bash, command), 5)) == digest


def test_a_decorator_that_hides_its_function() -> None:
    def hide(f: Any) -> Any:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return f(*args, **kwargs)

        return wrapper

    assert source_digest(hide(lambda x: x)) != source_digest(hide(lambda x: -x))


def test_functions_in_one_line_are_told_apart() -> None:
    one, two, again = lambda x: x + 1, lambda x: x + 2, lambda x: x + 1
    assert source_digest(one) != source_digest(two)
    assert source_digest(one) == source_digest(again)


def from_text(text: str) -> Any:
    space: dict[str, Any] = {"__name__": "made_up"}
    exec(textwrap.dedent(text), space)
    return space["f"]


def test_without_a_text_the_compiled_code_counts() -> None:
    digests = [
        source_digest(from_text(f"k = {k}\ndef f(x):\n    return g(x) {op} k\ndef g(x): return x"))
        for k, op in [(1, "+"), (1, "+"), (2, "+"), (1, "-")]
    ]
    assert digests[0] == digests[1] and len(set(digests)) == 3


def test_a_file_changed_since_its_import_is_not_taken_for_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    digests = []
    for now in ("1", "2"):
        space: dict[str, Any] = {"__name__": "late"}
        exec(compile("def f(x):\n    return 0\n", str(path), "exec"), space)
        path.write_text(f"def f(x):\n    return {now}\n")
        linecache.clearcache()
        digests.append(source_digest(space["f"]))
    assert digests[0] == digests[1]


def test_builtins_and_callable_objects() -> None:
    class Scale:
        def __call__(self, x: float) -> float:
            return x

    class Shift:
        def __call__(self, x: float) -> float:
            return x + 1

    assert source_digest(len) == source_digest(len)
    assert source_digest(Scale()) == source_digest(Scale()) != source_digest(Shift())
    assert source_digest(Scale().__call__) == source_digest(Scale.__call__)


def f(x: Any) -> Any:
    return x


def key(version: Any = None, **policy: Any) -> str:
    record = {"func": f, "args": (1,), "kwargs": {}, "ignore_for_cache": (), "cache_version": version}
    return make_hash(record, **policy)


def test_policies_and_versions_never_share_keys() -> None:
    by_name = make_hash({"func": f, "args": (1,), "kwargs": {}, "ignore_for_cache": ()})
    assert key() == key(identity="name") == by_name
    assert len({by_name, key(identity="source"), key("1"), key("2"), key("source:1"), key("")}) == 6
    assert key("1") == key(1) == key("1", identity="source")


def test_identity_in_words() -> None:
    assert identity_of(f) == ""
    assert identity_of(f, "source", "3") == "version:3"
    with pytest.raises(ConfigurationError, match="'text' is not a way .*'source'"):
        identity_of(f, "text")
