"""The list of programs, ``programs.toml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]


HERE = Path(__file__).parent
LIST = HERE / "programs.toml"
#: Seconds that one command of a program may take, and one of its tests.
LIMIT, TEST_LIMIT = 900, 120


class ListError(ValueError):
    """The list says something that the command cannot do."""


@dataclass(frozen=True)
class Known:
    """Tests that pass on Parsl and not here, and why.

    Attributes
    ----------
    tests : tuple of str
        Test ids, functions, classes or files.
    reason : str
        Why they do not pass.
    sometimes : bool
        Whether they may pass as well.
    """

    tests: tuple[str, ...]
    reason: str
    sometimes: bool = False

    def covers(self, test: str) -> bool:
        """Whether this is about a test."""
        return any(test == known or test.startswith((f"{known}::", f"{known}[")) for known in self.tests)


@dataclass(frozen=True)
class Program:
    """One program of the list.

    Attributes
    ----------
    name : str
        What it is called in the table and on the command line.
    what : str
        What the program is for.
    uses : str
        What it uses of Parsl.
    pypi : str
        Requirement ``name==version`` whose source distribution holds what is run.
    repository, commit : str
        Git repository and commit, for what is in no source distribution.
    root : str
        Folder below the source in which the commands run.
    needs : tuple of str
        What pip installs; ``{source}`` stands for the folder of the source.
    environment : dict
        Environment variables of the installation and of the commands.
    run : tuple of str
        Commands: ``pytest ...``, ``python ...`` or ``notebook FILE``. Without one only the names are looked at.
    part : str
        What is run, in words, and why not the rest.
    limit, test_limit : int
        Seconds for a command, and for a test.
    parsl : str
        Release of Parsl on which it is run; empty for the newest known one.
    short : bool
        Whether CI runs it for every change.
    known : tuple of Known
        What is known not to pass here.
    """

    name: str
    what: str
    uses: str = ""
    pypi: str = ""
    repository: str = ""
    commit: str = ""
    root: str = "."
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    run: tuple[str, ...] = ()
    part: str = ""
    limit: int = LIMIT
    test_limit: int = TEST_LIMIT
    parsl: str = ""
    short: bool = False
    known: tuple[Known, ...] = ()

    @property
    def origin(self) -> str:
        """The package and version, or the repository and commit."""
        return self.pypi or f"{self.repository.removeprefix('https://github.com/')} at {self.commit[:10]}"

    @property
    def link(self) -> str:
        """Where to look at it."""
        if self.pypi:
            name, _, version = self.pypi.partition("==")
            return f"https://pypi.org/project/{name}/{version}/"
        return f"{self.repository}/tree/{self.commit}"

    def reason(self, test: str) -> Known | None:
        """What is known of a test, None if it should pass."""
        return next((known for known in self.known if known.covers(test)), None)


def read(path: Path = LIST) -> list[Program]:
    """Return the programs of the list.

    Raises
    ------
    ListError
        An entry has no source or two, a field that is not known, or a command of an unknown kind.
    """
    programs = [_program(entry) for entry in tomllib.loads(path.read_text())["program"]]
    names = [program.name for program in programs]
    if len(set(names)) < len(names):
        raise ListError(f"{path}: a name is there twice: {sorted({n for n in names if names.count(n) > 1})}")
    return programs


def _program(entry: dict[str, object]) -> Program:
    name = entry.get("name", "without a name")
    unknown = entry.keys() - Program.__dataclass_fields__.keys()
    if unknown:
        raise ListError(f"{name}: unknown fields {sorted(unknown)}")
    known = tuple(
        Known(tuple(each["tests"]), each["reason"], each.get("sometimes", False))
        for each in entry.pop("known", [])  # type: ignore[attr-defined]
    )
    lists = {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}
    program = Program(**{**entry, **lists, "known": known})  # type: ignore[arg-type]
    if bool(program.pypi) == bool(program.repository):
        raise ListError(f'{name}: give either pypi = "name==version" or a repository with a commit')
    if program.repository and not program.commit:
        raise ListError(f"{name}: a repository needs a commit")
    for command in program.run:
        if command.split()[0] not in ("pytest", "python", "notebook"):
            raise ListError(f"{name}: {command!r} begins with none of pytest, python, notebook")
    return program
