"""The pages as a browser gets them: what they say, who may see them, and what a database in a bad state does."""

from __future__ import annotations

import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from parsl_on_dask.monitoring.pages import database as db
from parsl_on_dask.monitoring.pages.database import Database, DatabaseProblem
from parsl_on_dask.monitoring.pages.failures import failures
from parsl_on_dask.monitoring.pages.graph import by_app, by_step, each_task, steps
from parsl_on_dask.monitoring.pages.model import Reader, Task
from parsl_on_dask.monitoring.pages.usage import Sample, Used, cores, memory, samples_of
from parsl_on_dask.monitoring.pages.workers import chart
from tests import interpreters
from tests.monitoring.conftest import CHAIN, LARGE, MIXED, RUNNING, serving
from tests.monitoring.databases import Writer, mixed_run

TABS = ("", "/graph", "/graph?view=app", "/tasks", "/failures", "/resources", "/cache")


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def refused(url: str, **headers: str) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60)
    return caught.value.code, caught.value.read().decode()


def plain(page: str) -> str:
    """A page's text, without tags and scripts."""
    page = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


# -- what the pages say ----------------------------------------------------------------------------------------------


def test_the_list_has_all_runs_the_latest_first(site: SimpleNamespace) -> None:
    page = get(site.base)
    assert re.findall(r'href="/run/([^"]+)"', page) == [RUNNING, MIXED, LARGE, CHAIN]
    assert "9,994 done" in plain(page) and "6 failed" in plain(page) and "running" in plain(page)


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("run", [MIXED, LARGE, CHAIN, RUNNING])
def test_every_page_of_every_run_is_there(site: SimpleNamespace, run: str, tab: str) -> None:
    page = get(f"{site.base}/run/{run}{tab}")
    assert "</html>" in page and "could not be made" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_progress_counts_apps_and_states(site: SimpleNamespace) -> None:
    text = plain(get(site.mixed))
    assert "100 % of 51 tasks ended" in text
    assert "43 done 4 cached 1 failed 3 not run" in text
    running = plain(get(f"{site.base}/run/{RUNNING}"))
    assert re.search(r"\d+ running \d+ waiting", running)


def test_the_chain_of_a_failure_leads_to_the_root_and_its_traceback(site: SimpleNamespace) -> None:
    text = plain(get(f"{site.mixed}/failures"))
    assert "4 tasks failed or were not run, from 1 cause" in text
    assert "task 50 report ← task 48 merge_calls_of_a_batch_of_samples ← task 31 call_variants ← task 7" in text
    assert "raise ValueError(f&#34;sample {name} has no reads &lt;b&gt;at all&lt;/b&gt;&#34;)" in text
    page = plain(get(f"{site.mixed}/task/50"))
    assert "Why it was not run" in page and "Traceback of task 7" in page and "analysis.py" in page


def test_retries_show_what_each_try_failed_with(site: SimpleNamespace) -> None:
    text = plain(get(f"{site.mixed}/failures"))
    assert "4 retries of 4 tasks" in text and text.count("WorkerLost(") >= 3
    task = plain(get(f"{site.mixed}/task/5"))
    assert "fail_retryable" in task and "WorkerLost(" in task


def test_cache_hits_are_counted(site: SimpleNamespace) -> None:
    text = plain(get(f"{site.mixed}/cache"))
    assert "4 results of 20 calls of cached apps came from the cache (20 %)" in text


def test_resources_have_units(site: SimpleNamespace) -> None:
    text = plain(get(f"{site.mixed}/resources"))
    assert "pid 4101" in text and "MiB" in text and "CPU time" in text
    assert "no resource samples" in plain(get(f"{site.large}/resources"))


def ask(site: SimpleNamespace, run: str, **query: str) -> Any:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return json.loads(get(f"{site.base}/run/{run}/tasks.json?{words}"))


def test_tasks_are_filtered_sorted_and_paged(site: SimpleNamespace) -> None:
    assert ask(site, LARGE)["count"] == 10_000
    assert [row[0] for row in ask(site, LARGE, page="2")["rows"]] == list(range(100, 150))
    failed = ask(site, LARGE, kind="failed")
    assert failed["count"] == 6 and {row[2] for row in failed["rows"]} == {"failed"}
    assert ask(site, LARGE, app="reduce", kind="failed")["count"] == 0
    assert ask(site, MIXED, kind="retried")["count"] == 4
    assert ask(site, MIXED, q="no+reads")["count"] == 1
    assert ask(site, MIXED, q="31")["rows"][0][0] == 31
    slowest = [row[5] for row in ask(site, MIXED, sort="took", down="1")["rows"] if row[5] is not None]
    assert slowest == sorted(slowest, reverse=True) and slowest[0] > 5


def test_live_news_of_a_running_run(site: SimpleNamespace) -> None:
    news = json.loads(get(f"{site.base}/run/{RUNNING}/live.json"))
    assert news["status"] == "running" and "tasks ended" in plain(news["parts"]["progress"]).replace("  ", " ")
    gantt = news["plots"]["gantt"]
    assert len(gantt["rows"]) == 4 and len({len(column) for column in gantt["columns"].values()}) == 1


def test_a_growing_database_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.db"
    writer = Writer(path, "r1", "grow.py", datetime.now())
    writer.db.commit()
    with serving(Database(f"sqlite:///{path}")) as pages:
        url = f"{pages.link}run/r1"
        assert "0 tasks ended" in plain(get(url))
        writer.task(0, "first", 0.0, tries=[(0.1, 0.2, None)])
        writer.db.commit()
        deadline = time.monotonic() + 30
        while "1 task ended" not in plain(get(url)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert "100 % of 1 task ended" in plain(get(url))
        writer.end(1.0)


# -- who may look ----------------------------------------------------------------------------------------------------


def test_only_the_link_opens_the_pages(monitored: Path) -> None:
    with serving(Database(f"sqlite:///{monitored}"), token=True) as pages:
        port = urlsplit(pages.link).port
        assert pages.link.startswith("http://127.0.0.1:")
        code, text = refused(f"http://127.0.0.1:{port}/")
        assert code == 403 and "open the link that was printed" in text
        assert refused(f"http://127.0.0.1:{port}/?token=wrong")[0] == 403
        with urllib.request.urlopen(pages.link, timeout=60) as answer:
            cookie = answer.headers["Set-Cookie"].split(";")[0]
            assert "HttpOnly" in answer.headers["Set-Cookie"]
        again = urllib.request.Request(f"http://127.0.0.1:{port}/run/{MIXED}", headers={"Cookie": cookie})
        with urllib.request.urlopen(again, timeout=60) as answer:
            assert answer.status == 200


def test_other_names_of_this_machine_are_refused(site: SimpleNamespace) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(site.base).port, timeout=60)
    connection.request("GET", "/", headers={"Host": "attacker.example:80"})
    assert connection.getresponse().status == 403
    connection.close()


def test_texts_of_the_workflow_are_not_markup(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.db"
    bad = "<script>alert(1)</script>"
    writer = Writer(path, "r1", bad, datetime.now())
    writer.task(0, bad, 0.0, state="failed", tries=[(0.1, 0.2, f"ValueError('</script>{bad}')")], host=bad)
    writer.end(1.0)
    with serving(Database(f"sqlite:///{path}")) as pages:
        for tab in ("", "run/r1", *(f"run/r1{tab}" for tab in TABS), "run/r1/task/0"):
            assert bad not in get(pages.link + tab), tab


# -- databases in a bad state ----------------------------------------------------------------------------------------


def problem(path: Path) -> str:
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseProblem) as caught:
        database.check()
        Reader(database).runs()
    return str(caught.value)


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    empty, text, other = tmp_path / "empty.db", tmp_path / "text.db", tmp_path / "other.db"
    empty.touch()
    text.write_text("this is a text, and a long one at that\n" * 100)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    assert "is empty" in problem(empty)
    assert "is not a SQLite database" in problem(text)
    assert "has no table 'workflow'" in problem(other)


def test_a_locked_database_is_said_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "PATIENCE", 0.1)
    path = tmp_path / "monitoring.db"
    mixed_run(path, datetime(2026, 3, 9), MIXED)
    with serving(Database(f"sqlite:///{path}")) as pages:
        lock = sqlite3.connect(path)
        lock.execute("BEGIN EXCLUSIVE")
        code, text = refused(pages.link)
        assert code == 503 and "is locked by another process" in plain(text)
        lock.rollback()
        lock.close()
        assert "variant_calling.py" in get(pages.link)


def test_a_database_that_vanishes_is_said(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.db"
    mixed_run(path, datetime(2026, 3, 9), MIXED)
    with serving(Database(f"sqlite:///{path}")) as pages:
        get(pages.link)
        path.unlink()
        code, text = refused(f"{pages.link}run/{MIXED}")
        assert code == 503 and "is gone" in plain(text)


def test_an_unknown_run_or_task_is_said(site: SimpleNamespace) -> None:
    assert "has no run" in plain(refused(f"{site.base}/run/nobody")[1])
    assert "has no task 999" in plain(refused(f"{site.mixed}/task/999")[1])
    assert refused(f"{site.base}/nonsense")[0] == 404


@pytest.mark.parametrize("table", ["resource", "node", "block", "try", "status"])
def test_a_database_without_a_table_is_shown(tmp_path: Path, table: str) -> None:
    path = tmp_path / "monitoring.db"
    mixed_run(path, datetime(2026, 3, 9), MIXED)
    connection = sqlite3.connect(path)
    connection.execute(f"DROP TABLE {table}")
    connection.commit()
    connection.close()
    with serving(Database(f"sqlite:///{path}")) as pages:
        for tab in (*TABS, "/task/7"):
            assert "</html>" in get(f"{pages.link}run/{MIXED}{tab}")


def test_columns_of_other_versions_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.db"
    mixed_run(path, datetime(2026, 3, 9), MIXED)
    connection = sqlite3.connect(path)
    for table, column in (("try", "task_joins"), ("resource", "psutil_process_pid"), ("task", "task_fail_count")):
        connection.execute(f'ALTER TABLE "{table}" DROP COLUMN {column}')
    connection.commit()
    connection.close()
    with serving(Database(f"sqlite:///{path}")) as pages:
        for tab in (*TABS, "/task/7"):
            assert "</html>" in get(f"{pages.link}run/{MIXED}{tab}")


def test_any_database_of_sqlalchemys(monitored: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="pip install sqlalchemy")
    # its own spelling of SQLite, which the standard library's way does not take
    reader = Reader(Database(f"sqlite+pysqlite:///{monitored}"))
    run = reader.run(MIXED)
    assert run.kinds() == Reader(Database(f"sqlite:///{monitored}")).run(MIXED).kinds()
    assert samples_of(reader, MIXED)


def test_passwords_are_not_shown() -> None:
    assert Database("postgresql://ada:secret@db.example/runs").name == "postgresql://ada@db.example/runs"


# -- what is found, and how ------------------------------------------------------------------------------------------


def test_databases_are_found_by_what_people_write(
    monitored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = f"sqlite:///{monitored}"
    monkeypatch.chdir(monitored.parent.parent)
    for given in (None, "runinfo", "runinfo/003", "runinfo/monitoring.db", str(monitored), wanted):
        assert db.find(given) == wanted
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatabaseProblem, match="run a workflow with Config"):
        db.find()
    with pytest.raises(DatabaseProblem, match="there is no monitoring database in"):
        db.find(str(tmp_path))


def test_bars_of_one_worker_do_not_overlap(monitored: Path) -> None:
    run = Reader(Database(f"sqlite:///{monitored}")).run(MIXED)
    made = chart(run)
    assert [name.partition(" pid ")[2] for name in made.rows] == ["4101", "4102", "4201", "4202"]
    for row in range(len(made.rows)):
        bars = sorted((b.start, b.end) for b in made.bars if b.row == row)
        assert all(a[1] <= b[0] + 0.01 for a, b in pairwise(bars))
    assert sum(bar.failed for bar in made.bars) == 5


def test_many_bars_become_few_and_failures_stay(monitored: Path) -> None:
    run = Reader(Database(f"sqlite:///{monitored}")).run(LARGE)
    made = chart(run, most=3000)
    assert len(made.bars) < 3000 and sum(bar.count for bar in made.bars) == 10_000
    assert sum(bar.count for bar in made.bars if bar.failed) == 6


def test_graphs_of_many_tasks_are_small(monitored: Path) -> None:
    run = Reader(Database(f"sqlite:///{monitored}")).run(LARGE)
    drawn = by_app(run)
    assert [node.name for node in drawn.nodes] == ["simulate", "reduce", "plot"]
    assert {edge.count for edge in drawn.edges} == {8000, 856}
    divided = by_step(run)
    assert divided is not None and len(divided.nodes) == 7
    field = each_task(run)
    assert len(field.ids) == 10_000 and len(set(zip(field.x, field.y, strict=True))) == 10_000
    assert by_step(Reader(Database(f"sqlite:///{monitored}")).run(CHAIN)) is None


def test_boxes_of_a_graph_do_not_overlap(monitored: Path) -> None:
    reader = Reader(Database(f"sqlite:///{monitored}"))
    for drawn in (by_app(reader.run(MIXED)), by_step(reader.run(LARGE))):
        assert drawn is not None
        places = [(n.x, n.y) for n in drawn.nodes]
        for i, (x, y) in enumerate(places):
            assert all(abs(x - u) >= 190 or abs(y - v) >= 62 for u, v in places[i + 1 :])


def test_steps_of_a_chain_and_of_a_circle() -> None:
    def task(number: int, *depends: int) -> Task:
        return Task(number, "a", depends, False, None, None, None, 0)

    assert steps({0: task(0), 1: task(1, 0), 2: task(2, 1, 0)}) == {0: 0, 1: 1, 2: 2}
    assert set(steps({0: task(0, 1), 1: task(1, 0)})) == {0, 1}  # a broken database must not hang the page
    deep = {n: task(n, *([n - 1] if n else [])) for n in range(20_000)}
    assert steps(deep)[19_999] == 19_999


def test_calls_of_one_process_share_its_samples() -> None:
    def looks(task: int, *seen: tuple[float, float]) -> Used:
        samples = [Sample(task, 0, at, 1, at * 2**20, cpu, 0, 0, 0, 0) for at, cpu in seen]
        return Used(task, 0, "app", "worker", samples=samples)

    # two at a time, and after a while a third one
    found = [looks(1, (10, 1), (20, 11)), looks(2, (12, 3), (22, 13)), looks(3, (100, 14), (110, 24))]
    times, values = memory(found)["worker"]
    known = [(at, value / 2**20) for at, value in zip(times, values, strict=True) if value == value]
    assert known == [(t, t) for t in (10, 12, 20, 22, 100, 110)]
    assert [at for at, value in zip(times, values, strict=True) if value != value] == [22]
    line = cores(found)["worker"]
    assert max(line.values) == pytest.approx(1.0)
    assert sum(line.values) * (line.times[1] - line.times[0]) == pytest.approx(23.0)


def test_failures_name_their_roots(monitored: Path) -> None:
    run = Reader(Database(f"sqlite:///{monitored}")).run(MIXED)
    found = {f.task.id: [t.id for t in f.chain] for f in failures(run, {})}
    assert found == {7: [7], 31: [31, 7], 48: [48, 31, 7], 50: [50, 48, 31, 7]}


# -- the command -----------------------------------------------------------------------------------------------------


def command(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return interpreters.run(
        [sys.executable, "-m", "parsl_on_dask", *words], cwd=cwd, capture_output=True, text=True, timeout=100
    )


def test_visualize_says_where_and_serves(monitored: Path) -> None:
    process = interpreters.Popen(
        [sys.executable, "-m", "parsl_on_dask", "visualize", "--port", "0"],
        cwd=monitored.parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        assert str(monitored) in process.stdout.readline()
        assert "variant_calling.py" in get(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def test_parsl_visualize_has_parsls_arguments(monitored: Path) -> None:
    program = [sys.executable, "-m", "parsl_on_dask.monitoring.visualization.app"]
    process = interpreters.Popen(
        [*program, f"sqlite:///{monitored}", "-p", "0", "-l", "127.0.0.1", "-d"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        process.stdout.readline()
        assert "variant_calling.py" in get(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    done = subprocess.run([*program, "-l", "0.0.0.0"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and "this machine only" in done.stderr and "ssh -L" in done.stderr


def test_visualize_without_a_database_says_what_to_do(tmp_path: Path) -> None:
    done = command("visualize", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "no such file or folder" in done.stderr and "MonitoringHub()" in done.stderr
