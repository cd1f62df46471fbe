"""Public programs, on this package and on a real Parsl: ``python -m ci.programs [NAME ...]``."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ci.programs import environments, listing, names, page, release, results, running, sources
from ci.programs.listing import Program
from ci.programs.results import Result


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "parsl-on-dask-programs"
    parser = argparse.ArgumentParser(prog="python -m ci.programs", description=__doc__)
    parser.add_argument("name", nargs="*", help="only these programs; default: all of ci/programs/programs.toml")
    parser.add_argument("--list", action="store_true", help="print the list, and run nothing")
    parser.add_argument("--page", action="store_true", help="write docs/programs.md from what was seen, run nothing")
    parser.add_argument("--short", action="store_true", help="only those that CI runs")
    parser.add_argument(
        "--here", action="store_true", help="run on this package only, and compare with what Parsl did; write nothing"
    )
    parser.add_argument(
        "--folder", type=Path, default=cache, help="for sources and environments (default: %(default)s)"
    )
    parser.add_argument("--discard", action="store_true", help="remove each program's environments after its run")
    parser.add_argument(
        "--source", action="append", default=[], metavar="NAME=PATH", help="take a program from this git or folder"
    )
    parser.add_argument(
        "--parsl", metavar="VERSION", help='a release of Parsl, or "latest": what is new in it? Programs only if named'
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit status."""
    options = arguments(words)
    programs = listing.read()
    unknown = set(options.name) - {program.name for program in programs}
    if unknown:
        print(f"not in {listing.LIST.name}: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    chosen = [p for p in programs if (p.name in options.name if options.name else p.short or not options.short)]
    if options.list:
        for program in chosen:
            print(f"{program.name:28} {program.origin:48} {program.part or 'names only'}")
        return 0
    if options.page:
        page.write()
        return 0
    folder = options.folder.expanduser().resolve()
    status = 0
    if options.parsl:
        options.parsl = release.version(options.parsl)
        status = release.check(options.parsl, folder)
        if not (options.name or options.short):
            return status
    given = {name: Path(path) for name, _, path in (each.partition("=") for each in options.source)}
    with tempfile.TemporaryDirectory() as built:
        return max(status, Runs(options, folder, given, environments.wheel(Path(built))).all(chosen))


class Runs:
    """The runs of one command."""

    def __init__(self, options: argparse.Namespace, folder: Path, given: dict[str, Path], package: Path) -> None:
        self.options, self.folder, self.given, self.package = options, folder, given, package
        self.parsl = options.parsl or release.known()
        self.results = results.read()

    def all(self, programs: Sequence[Program]) -> int:
        """Run programs one after the other; return the exit status."""
        problems: list[str] = []
        for program in programs:
            began = time.monotonic()
            try:
                result = self.one(program)
            except (sources.SourceError, environments.PreparationError) as error:
                problems.append(f"{program.name}: {error}")
                print(f"{program.name}: could not be made ready", flush=True)
                continue
            print(f"{program.name}: {page.summary(result)}, in {time.monotonic() - began:.0f} s", flush=True)
            problems += results.problems(program, result)
            if not self.options.here:
                # read again: another run may have kept something meanwhile
                results.write(results.read() | {program.name: result})
                page.write()
        for problem in problems:
            print(problem)
        return 1 if problems else 0

    def one(self, program: Program) -> Result:
        """Run one program on both sides."""
        source = sources.get(program, self.folder / "sources", self.given.get(program.name))
        parsl = program.parsl or self.parsl
        before = self.results.get(program.name)
        result = Result(
            datetime.date.today().isoformat(),
            program.origin,
            platform.python_version(),
            parsl,
            self.package.name.split("-")[1],
        )
        if self.options.here and before is not None:
            result.passed_on_parsl, result.parsls = before.passed_on_parsl, before.parsls
        else:
            self.look_at_names(source / program.root, result)
        if not program.run:
            return result
        needs = [need.replace("{source}", str(source)) for need in program.needs]
        here = environments.make(self.folder / program.name / "here", needs, parsl, self.package, program.environment)
        # A short path: some programs make Unix sockets below their folder.
        with tempfile.TemporaryDirectory(prefix="programs-") as work:
            on_parsl = None
            if not self.options.here:
                real = environments.make(self.folder / program.name / "parsl", needs, parsl, None, program.environment)
                on_parsl = running.run(program, source, real, Path(work, "parsl"))
                shutil.copy(Path(work, "parsl", "output.txt"), self.folder / program.name / "parsl.txt")
            on_here = running.run(program, source, here, Path(work, "here"))
            shutil.copy(Path(work, "here", "output.txt"), self.folder / program.name / "here.txt")
        result.compare(on_parsl, on_here)
        if self.options.discard:
            for side in ("here", "parsl"):
                shutil.rmtree(self.folder / program.name / side, ignore_errors=True)
        return result

    def look_at_names(self, source: Path, result: Result) -> None:
        """Find the names of Parsl's that a program uses, and ask both sides for them."""
        needs = [f"parsl[monitoring]=={result.parsl}"]
        real = environments.make(self.folder / "names" / f"parsl-{result.parsl}", needs, result.parsl, None)
        here = environments.make(self.folder / "names" / "here", needs, result.parsl, self.package)
        used = names.used(source)
        has, have = names.there(real, used), names.there(here, used)
        result.names = sorted(has.imports | has.attributes)
        result.names_here = sorted((has.imports & have.imports) | (has.attributes & have.attributes))
        result.old_names = sorted((used.imports | used.attributes) - set(result.names))
        result.old_names_here = sorted(set(result.old_names) & (have.imports | have.attributes))


if __name__ == "__main__":
    # so that what was started ends, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
