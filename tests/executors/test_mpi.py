"""Apps that start MPI programs: what they may ask for, and which nodes they get. There are eight made-up nodes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import time
import warnings

import pytest

import parsl_on_dask as parsl
from parsl_on_dask.common.overrides import ClusterOverride, set_cluster_override
from parsl_on_dask.errors import ConfigurationError
from parsl_on_dask.executors import HighThroughputExecutor, MPIExecutor
from parsl_on_dask.executors.errors import InvalidResourceSpecification
from parsl_on_dask.executors.high_throughput.errors import WorkerLost
from parsl_on_dask.executors.high_throughput.mpi_prefix_composer import VALID_LAUNCHERS, compose_all
from parsl_on_dask.launchers import SimpleLauncher, SrunLauncher
from parsl_on_dask.old_spellings import legacy
from parsl_on_dask.old_spellings.legacy import ParslDeprecationWarning
from parsl_on_dask.providers import LocalProvider, SlurmProvider
from tests.clusters.jobs import ShellProvider
from tests.helpers import WAIT, eventually
from tests.kernels import unload

SYSTEMS = ("SLURM_JOB_NODELIST", "SLURM_NODELIST", "COBALT_NODEFILE", "PE_HOSTFILE", "PBS_NODEFILE")


@pytest.fixture(autouse=True)
def afresh():
    legacy.forget_warnings()


@pytest.fixture(autouse=True, scope="module")
def no_batch_system():
    with pytest.MonkeyPatch.context() as patch:
        for name in SYSTEMS:
            patch.delenv(name, raising=False)
        yield


def loader(directory):
    """A function that loads an MPIExecutor whose blocks have so many nodes; returns executor and kernel."""

    def load(nodes=8, workers=4, launcher="mpiexec", provider=None, kind=MPIExecutor, **options):
        (directory / "nodes").write_text("".join(f"node{i}\n" for i in range(1, nodes + 1)))
        init = f"export PBS_NODEFILE={directory}/nodes\n{options.pop('worker_init', '')}"
        executor = kind(
            label="mpi",
            mpi_launcher=launcher,
            provider=LocalProvider(worker_init=init, launcher=SimpleLauncher(), **(provider or {})),
            **({"max_workers_per_block": workers} if kind is MPIExecutor else {}),
            **options.pop("arguments", {}),
        )
        options.setdefault("strategy", "none")
        return executor, parsl.load(parsl.Config(executors=[executor], run_dir=str(directory / "runinfo"), **options))

    return load


@pytest.fixture
def mpi(tmp_path):
    yield loader(tmp_path)
    unload()


@pytest.fixture(scope="class")
def block(tmp_path_factory):
    """An executor with a block of four nodes, two workers, and an `mpiexec` of MPICH's kind that prints its options."""
    directory = tmp_path_factory.mktemp("block")
    (directory / "mpiexec").write_text('#!/bin/sh\n[ "$1" = --version ] && echo HYDRA build || echo "started: $*"\n')
    (directory / "mpiexec").chmod(0o755)
    yield loader(directory)(nodes=4, workers=2, worker_init=f"export PATH={directory}:$PATH")[0]
    unload()


def variables(parsl_resource_specification=None):
    return {name: value for name, value in os.environ.items() if name.startswith("PARSL_")}


def nodes_of(seconds, parsl_resource_specification=None):
    began = time.time()
    time.sleep(seconds)
    return os.environ["PARSL_MPI_NODELIST"].split(","), began, time.time(), os.getpid()


def asks(nodes):
    return {"parsl_resource_specification": {"num_nodes": nodes}}


# ---------------------------------------------------------------- one block


class TestOneBlock:
    def test_an_app_sees_its_nodes_and_the_command_for_them(self, block):
        wanted = {"num_nodes": 2, "ranks_per_node": 4, "launcher_options": "--verbose"}
        seen = parsl.python_app(variables)(parsl_resource_specification=wanted).result(WAIT)
        first, second = seen["PARSL_MPI_NODELIST"].split(",")
        assert {name: seen[f"PARSL_{name}"] for name in ("NUM_NODES", "RANKS_PER_NODE", "NUM_RANKS")} == {
            "NUM_NODES": "2",
            "RANKS_PER_NODE": "4",
            "NUM_RANKS": "8",
        }
        assert seen["PARSL_LAUNCHER_OPTIONS"] == "--verbose"
        assert seen["PARSL_MPI_PREFIX"] == f"mpiexec -n 8 -ppn 4 -hosts {first},{second} --verbose"
        assert seen["PARSL_MPIEXEC_PREFIX"] == seen["PARSL_MPI_PREFIX"]
        assert {f"PARSL_{name.upper()}_PREFIX" for name in VALID_LAUNCHERS} <= set(seen)
        assert wanted == {"num_nodes": 2, "ranks_per_node": 4, "launcher_options": "--verbose"}

    def test_bash_apps_start_programs_with_the_prefix(self, block, tmp_path):
        @parsl.bash_app
        def program(stdout=None, parsl_resource_specification=None):
            return "$PARSL_MPI_PREFIX ./simulate"

        wanted = {"num_nodes": 1, "num_ranks": 3}
        assert program(stdout=str(tmp_path / "out"), parsl_resource_specification=wanted).result(WAIT) == 0
        assert re.fullmatch(r"started: -n 3 -ppn 3 -hosts node\d ./simulate\n", (tmp_path / "out").read_text())

    def test_nothing_of_a_call_is_left_for_the_next_one(self, block):
        app = parsl.python_app(variables)
        for _ in range(2):
            first = app(parsl_resource_specification={"num_nodes": 2, "launcher_options": "-v"}).result(WAIT)
            second = app(parsl_resource_specification={"num_nodes": 1}).result(WAIT)
            assert first["PARSL_LAUNCHER_OPTIONS"] == "-v" and "PARSL_LAUNCHER_OPTIONS" not in second
            assert second["PARSL_NUM_NODES"] == "1"

    def test_calls_at_a_time_have_different_nodes(self, block):
        app = parsl.python_app(nodes_of)
        spans = [f.result(WAIT) for f in [app(0.1 * (i % 3), **asks(1 + i % 3)) for i in range(24)]]
        assert [len(nodes) for nodes, *_ in spans] == [1 + i % 3 for i in range(24)]
        begins = [(began, 1, nodes) for nodes, began, _, _ in spans]
        ends = [(ended, -1, nodes) for nodes, _, ended, _ in spans]
        taken: list[str] = []
        most = 0
        for _, change, nodes in sorted(begins + ends, key=lambda c: (c[0], c[1])):
            for node in nodes:
                taken.append(node) if change > 0 else taken.remove(node)
            assert len(set(taken)) == len(taken) <= 4
            most = max(most, len(taken))
        assert most > 1

    def test_it_runs_no_more_than_max_workers_per_block(self, block):
        app = parsl.python_app(nodes_of)
        pids = {f.result(WAIT)[3] for f in [app(0.2, **asks(1)) for _ in range(8)]}
        assert len(pids) == 2
        assert sum(m["worker_count"] for m in block.connected_managers()) == 2 == block.workers_per_node

    def test_calls_for_the_fewest_nodes_go_first(self, block):
        app = parsl.python_app(nodes_of)
        first = app(1.0, **asks(4))
        spans = {n: app(0.2, **asks(n)) for n in (4, 3, 2)}
        first.result(WAIT)
        assert sorted(spans, key=lambda n: spans[n].result(WAIT)[1]) == [2, 3, 4]

    def test_results_and_dependencies_are_as_ever(self, block):
        @parsl.python_app
        def double(x, parsl_resource_specification=None):
            return 2 * x

        assert double(double(3, **asks(1)), **asks(2)).result(WAIT) == 12
        large = double(b"x" * 1_000_000, **asks(1))
        assert len(double(large, **asks(1)).result(WAIT)) == 4_000_000

    def test_many_short_calls(self, block):
        app = parsl.python_app(nodes_of)
        futures = [app(0.0, **asks((1, 2, 4)[i % 3])) for i in range(100)]
        assert [len(f.result(WAIT)[0]) for f in futures] == [(1, 2, 4)[i % 3] for i in range(100)]

    def test_more_nodes_than_it_has(self, block):
        app = parsl.python_app(nodes_of)
        with pytest.raises(InvalidResourceSpecification, match=r"no 5 nodes for a call of app 'nodes_of'.*4 \(node1,"):
            app(0.0, **asks(5)).result(WAIT)
        assert len(app(0.0, **asks(4)).result(WAIT)[0]) == 4

    def test_a_call_has_to_say_what_it_wants(self, block):
        with pytest.raises(InvalidResourceSpecification, match="have to say how many nodes"):
            parsl.python_app(variables)().result(WAIT)
        with pytest.raises(InvalidResourceSpecification, match="have to say how many nodes"):
            block.submit(variables, {})


def test_open_mpis_mpiexec_gets_its_own_options(mpi, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpiexec").write_text("#!/bin/sh\necho 'mpiexec (OpenRTE) 4.1.4'\n")
    (tmp_path / "bin" / "mpiexec").chmod(0o755)
    mpi(worker_init=f"export PATH={tmp_path}/bin:$PATH")
    seen = parsl.python_app(variables)(parsl_resource_specification={"num_nodes": 2, "num_ranks": 4}).result(WAIT)
    assert seen["PARSL_MPI_PREFIX"] == "mpiexec -n 4 --map-by ppr:2:node --host node1:2,node2:2"


# ---------------------------------------------------------------- blocks and workers that come and go


def test_each_block_has_its_own_nodes(mpi):
    executor, _ = mpi(nodes=2, workers=2, provider={"init_blocks": 2, "max_blocks": 2})
    eventually(lambda: len(executor.connected_blocks()) == 2, "both blocks have workers", WAIT)

    def place(parsl_resource_specification=None):
        time.sleep(0.5)
        return os.environ["PARSL_WORKER_BLOCK_ID"], os.environ["PARSL_MPI_NODELIST"]

    app = parsl.python_app(place)
    seen = [f.result(WAIT) for f in [app(**asks(2)) for _ in range(6)]]
    assert {block for block, _ in seen} == {"0", "1"}


def test_a_call_that_fails_or_dies_gives_its_nodes_back(mpi):
    mpi(nodes=2, workers=2)

    @parsl.python_app
    def fails(parsl_resource_specification=None):
        raise KeyError("no")

    @parsl.python_app
    def dies(parsl_resource_specification=None):
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    for app, error in ((fails, KeyError), (dies, WorkerLost), (fails, KeyError), (dies, WorkerLost)):
        with pytest.raises(error):
            app(**asks(2)).result(WAIT)
    assert len(parsl.python_app(nodes_of)(0.0, **asks(2)).result(WAIT)[0]) == 2


def test_a_block_that_goes_is_made_up_for(mpi):
    executor, _ = mpi(nodes=2, workers=1, provider={"init_blocks": 2, "max_blocks": 2}, retries=2)
    eventually(lambda: len(executor.connected_blocks()) == 2, "both blocks have workers", WAIT)
    app = parsl.python_app(nodes_of)
    futures = [app(0.3, **asks(2)) for _ in range(8)]
    futures[0].result(WAIT)
    gone = executor.scale_in(1)
    assert len(gone) == 1
    assert all(len(f.result(WAIT)[0]) == 2 for f in futures)


def test_a_worker_that_dies_is_replaced_and_its_call_runs_again(mpi):
    executor, _ = mpi(nodes=2, workers=1, retries=1)
    app = parsl.python_app(nodes_of)
    pid = app(0.0, **asks(1)).result(WAIT)[3]
    call = app(1.0, **asks(2))
    eventually(lambda: [m["tasks"] for m in executor.connected_managers()] == [1], "it runs", WAIT)
    os.kill(pid, signal.SIGKILL)
    nodes, _, _, after = call.result(WAIT)
    assert len(nodes) == 2 and after != pid


def test_a_block_whose_job_ends_gets_no_call_that_cannot_end(mpi, tmp_path):
    """One of two blocks has little time left: nothing begins there that would not be done."""
    ends = f"mkdir {tmp_path}/taken 2>/dev/null && export PARSL_ON_DASK_JOB_END=$(($(date +%s) + 12))"
    mpi(nodes=2, workers=1, provider={"init_blocks": 2, "max_blocks": 2}, worker_init=ends)

    def lasts(parsl_resource_specification=None):
        time.sleep(1.0)
        return float(os.environ.get("PARSL_ON_DASK_JOB_END", "inf")) - time.time()

    app = parsl.python_app(lasts)
    left = [f.result(WAIT) for f in [app(**asks(1 + i % 2)) for i in range(14)]]
    assert min(left) > 0
    assert max(left) == float("inf")


def test_blocks_of_a_batch_system(tmp_path, caplog):
    """Only the first node of a block has workers, and nobody is warned of the others."""
    (tmp_path / "nodes").write_text("n1\nn2\n")
    jobs = ShellProvider(
        nodes_per_block=2, launcher=SimpleLauncher(), worker_init=f"export PBS_NODEFILE={tmp_path}/nodes"
    )
    executor = MPIExecutor(address="127.0.0.1", max_workers_per_block=3, provider=jobs)
    with parsl.load(parsl.Config(executors=[executor], strategy="none", run_dir=str(tmp_path / "run"))):
        assert parsl.python_app(nodes_of)(0.0, **asks(2)).result(WAIT)[0] == ["n1", "n2"]
        assert executor.lane.slots_per_block() == 3
        eventually(lambda: [m["worker_count"] for m in executor.connected_managers()] == [3], "all have come", WAIT)
    assert "one of the 2 nodes" not in caplog.text
    other = HighThroughputExecutor(address="127.0.0.1", provider=ShellProvider(**{**vars(jobs), "init_blocks": 0}))
    with parsl.load(parsl.Config(executors=[other], strategy="none", run_dir=str(tmp_path / "run"))):
        assert "one of the 2 nodes per block" in caplog.text


# ---------------------------------------------------------------- real MPI programs

# in the place of ssh: the made-up nodes are all this machine
AGENT = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
export VIRTUAL_NODE=$1 TMPDIR=$(dirname "$0")/$1
mkdir -p "$TMPDIR"
shift
exec sh -c "$*"
"""


@pytest.mark.parametrize(
    ("package", "programs", "options"),
    [
        (
            "openmpi-bin",
            ("mpiexec.openmpi",),
            "--oversubscribe --mca plm_rsh_agent {agent} --mca btl self,tcp --mca btl_tcp_if_include lo "
            "--mca oob_tcp_if_include lo",
        ),
        ("mpich", ("mpiexec.hydra", "mpiexec.mpich"), "-launcher ssh -launcher-exec {agent} -iface lo"),
    ],
    ids=["Open MPI", "MPICH"],
)
def test_programs_run_on_the_nodes_of_their_calls(mpi, tmp_path, package, programs, options):
    found = next((path for path in map(shutil.which, programs) if path), None)
    if found is None:
        pytest.skip(f"none of {', '.join(programs)} here; install it: apt-get install {package}")
    (tmp_path / "bin").mkdir()
    agent = tmp_path / "bin" / "agent"
    for path, text in ((tmp_path / "bin" / "mpiexec", f'#!/bin/sh\nexec {found} "$@"\n'), (agent, AGENT)):
        path.write_text(text)
        path.chmod(0o755)
    root = "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"
    mpi(nodes=3, workers=2, worker_init=f"export PATH={tmp_path}/bin:$PATH\n{root}")

    @parsl.bash_app
    def program(name, stdout=None, stderr=None, parsl_resource_specification=None):
        return f"$PARSL_MPI_PREFIX {sys.executable} {name}; echo $PARSL_MPI_NODELIST"

    wanted = {"launcher_options": options.format(agent=agent)}
    outs = []
    for nodes, each in ((2, 2), (1, 3), (2, 1)):
        out = tmp_path / f"out{len(outs)}"
        specification = {"num_nodes": nodes, "ranks_per_node": each, **wanted}
        name = os.path.join(os.path.dirname(__file__), "mpi_program.py")
        future = program(name, stdout=f"{out}", stderr=f"{out}.err", parsl_resource_specification=specification)
        outs.append((future, out, nodes, each))
    for future, out, nodes, each in outs:
        assert future.result(WAIT) == 0, out.with_suffix(".err").read_text()
        answer, listed = out.read_text().splitlines()
        answer = json.loads(answer)
        assert answer["nodes"] == sorted(listed.split(",") * each)
        assert (answer["size"], answer["sum"]) == (nodes * each, sum(range(nodes * each)))


# ---------------------------------------------------------------- what cannot be


def test_without_a_batch_system_a_block_is_this_machine(tmp_path):
    executor = MPIExecutor(max_workers_per_block=2)
    with parsl.load(parsl.Config(executors=[executor], run_dir=str(tmp_path))):
        app = parsl.python_app(variables)
        seen = app(parsl_resource_specification={"num_ranks": 2}).result(WAIT)
        assert seen["PARSL_MPI_NODELIST"] == os.uname().nodename and seen["PARSL_NUM_NODES"] == "1"
        with pytest.raises(InvalidResourceSpecification, match=r"worker_init, PBS_NODEFILE can name a file"):
            app(**asks(2)).result(WAIT)


def test_a_list_of_nodes_that_cannot_be_read(tmp_path):
    provider = LocalProvider(worker_init=f"export PBS_NODEFILE={tmp_path}/gone", launcher=SimpleLauncher())
    with (
        parsl.load(parsl.Config(executors=[MPIExecutor(provider=provider)], run_dir=str(tmp_path))),
        pytest.raises(InvalidResourceSpecification, match=r"nodes of PBS cannot be read: FileNotFoundError: .*gone"),
    ):
        parsl.python_app(variables)(**asks(1)).result(WAIT)


@pytest.mark.parametrize(
    ("specification", "problem"),
    [
        ({"nodes": 2}, "only the keys num_nodes, ranks_per_node, num_ranks, launcher_options"),
        ({"num_nodes": 2, "priority": 1}, "{'priority'}"),
        ({"num_nodes": 0}, "num_nodes must be a whole number above 0, not 0"),
        ({"num_nodes": 1.5}, "not 1.5"),
        ({"num_nodes": "two"}, "not 'two'"),
        ({"num_nodes": True}, "not True"),
        ({"num_nodes": float("inf")}, "not inf"),
        ({"num_ranks": -1}, "num_ranks"),
        ({"num_nodes": 1, "launcher_options": ["-v"]}, "launcher_options must be a str"),
    ],
)
def test_specifications_that_are_refused(specification, problem):
    with pytest.raises(InvalidResourceSpecification, match=problem):
        MPIExecutor().validate_resource_spec(specification)


@pytest.mark.parametrize(
    ("launcher", "prefix"),
    [
        ("mpiexec", "mpiexec -n 8 -ppn 4 -hosts a,b --verbose"),
        ("srun", "srun --ntasks 8 --ntasks-per-node 4 --nodelist a,b --nodes 2 --verbose"),
        ("aprun", "aprun -n 8 -N 4 -node-list a,b --verbose"),
    ],
)
def test_the_command_of_each_launcher(launcher, prefix):
    wanted = {"num_nodes": 2, "ranks_per_node": 4, "launcher_options": "--verbose"}
    composed = compose_all(launcher, wanted, ["a", "b"])
    assert composed["PARSL_MPI_PREFIX"] == composed[f"PARSL_{launcher.upper()}_PREFIX"] == prefix
    with pytest.raises(RuntimeError, match="Unknown mpi_launcher 'none'"):
        compose_all("none", wanted, ["a", "b"])


@pytest.mark.parametrize(
    ("specification", "ranks"),
    [
        ({"num_nodes": 2, "ranks_per_node": 3}, "-n 6 -ppn 3"),
        ({"num_nodes": 2, "num_ranks": 6}, "-n 6 -ppn 3"),
        ({"num_nodes": "2", "num_ranks": "5"}, "-n 5 -ppn 3"),
        ({"num_nodes": 2, "num_ranks": 5, "ranks_per_node": 4}, "-n 5 -ppn 4"),
        ({"num_nodes": 2}, "-n 2 -ppn 1"),
        ({"num_ranks": 4}, "-n 4 -ppn 4"),
    ],
)
def test_numbers_that_follow_from_others(specification, ranks):
    MPIExecutor().validate_resource_spec(specification)
    assert compose_all("mpiexec", specification, ["a", "b"])["PARSL_MPI_PREFIX"] == f"mpiexec {ranks} -hosts a,b"


def test_launchers_that_are_refused():
    with pytest.raises(TypeError, match=r"SlurmProvider\(launcher=SimpleLauncher\(\)\)") as caught:
        MPIExecutor(provider=SlurmProvider(launcher=SrunLauncher()))
    assert isinstance(caught.value, ConfigurationError)
    with pytest.raises(ValueError, match="must be one of 'srun', 'aprun', 'mpiexec'") as refused:
        MPIExecutor(mpi_launcher="mpirun_rsh")
    assert isinstance(refused.value, ConfigurationError)
    with pytest.raises(ConfigurationError, match="max_workers_per_block"):
        MPIExecutor(max_workers_per_block=0)


def test_the_command_line_cannot_put_other_workers_in_its_place(tmp_path):
    before = set_cluster_override(ClusterOverride(address="tcp://127.0.0.1:1"))
    try:
        with pytest.raises(ConfigurationError, match=r"nodes of its own blocks, and --scheduler tcp://127.0.0.1:1"):
            parsl.load(parsl.Config(executors=[MPIExecutor()], run_dir=str(tmp_path)))
    finally:
        set_cluster_override(before)


# ---------------------------------------------------------------- the old spelling, and the rest


def test_the_mode_of_the_other_executor(mpi):
    with pytest.warns(ParslDeprecationWarning, match=r"is now MPIExecutor\(\)"):
        executor, _ = mpi(
            kind=HighThroughputExecutor,
            launcher="srun",
            arguments={"enable_mpi_mode": True, "max_workers_per_node": 2, "cores_per_worker": 1e-6},
        )
    assert (executor.enable_mpi_mode, executor.mpi_launcher) == (True, "srun")
    assert "enable_mpi_mode=True" in repr(executor)
    seen = parsl.python_app(variables)(**asks(3)).result(WAIT)
    assert seen["PARSL_MPI_PREFIX"].startswith("srun --ntasks 3 --ntasks-per-node 1 --nodelist node1,node2,node3")
    with pytest.raises(InvalidResourceSpecification):
        parsl.python_app(variables)().result(WAIT)


def test_explain_tells_what_becomes_of_it():
    provider = SlurmProvider(nodes_per_block=4, launcher=SimpleLauncher())
    [plan] = parsl.explain(parsl.Config([MPIExecutor(max_workers_per_block=3, provider=provider)])).executors
    assert plan.facts["workers of a block"] == "3, with one thread each, on its first node"
    assert "mpiexec starts MPI programs" in plan.facts["calls at a time"]
    assert plan.script is not None and "#SBATCH --nodes=4" in plan.script


@pytest.mark.filterwarnings("ignore::parsl_on_dask.old_spellings.legacy.ParslDeprecationWarning")
def test_the_mode_has_the_same_rules():
    with pytest.raises(TypeError, match="SimpleLauncher"):
        HighThroughputExecutor(enable_mpi_mode=True, provider=LocalProvider())
    with pytest.raises(ValueError, match="mpi_launcher"):
        HighThroughputExecutor(enable_mpi_mode=True, mpi_launcher="none")
    assert not HighThroughputExecutor(enable_mpi_mode=False).enable_mpi_mode
    assert not HighThroughputExecutor.enable_mpi_mode


def test_it_is_where_parsl_has_it():
    from parsl_on_dask.executors.high_throughput.mpi_executor import MPIExecutor as there

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        executor = MPIExecutor(max_workers_per_block=3)
    assert there is MPIExecutor and issubclass(MPIExecutor, HighThroughputExecutor)
    assert executor.workers_per_node == 3 and executor.encrypted and not executor.monitor_resources()
    assert executor.get_usage_information() == {"mpi": True}
    assert "max_workers_per_block=3" in repr(executor)
