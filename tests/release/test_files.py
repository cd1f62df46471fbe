"""Files of the project say the same as the package."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from parsl_on_dask.version import PACKAGE_VERSION

REPOSITORY = Path(__file__).parents[2]
CHANGELOG = re.findall(r"^## \[(.*?)\](?: - (\S+))?$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))


def read(name: str) -> Any:
    return yaml.safe_load((REPOSITORY / name).read_text())


def test_the_changelog_has_the_version() -> None:
    released = [version for version, day in CHANGELOG if re.fullmatch(r"\d{4}-\d\d-\d\d", day)]
    assert released[0] == PACKAGE_VERSION
    assert [version for version, day in CHANGELOG if not day] in ([], ["Unreleased"])


def test_the_citation_has_the_version() -> None:
    citation = read("CITATION.cff")
    assert (citation["version"], str(citation["date-released"])) == next(row for row in CHANGELOG if row[1])


def test_the_recipe_has_the_version_and_the_dependencies() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    recipe = read("conda/recipe.yaml")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert recipe["context"]["version"] == PACKAGE_VERSION
    # conda's dask has distributed and more in it
    wanted = {re.sub(r"^dask>", "dask-core>", line) for line in project["dependencies"]}
    run = {line.replace(" ", "") for line in recipe["requirements"]["run"]}
    assert run == wanted | {"python" + project["requires-python"]}
    [(name, entry)] = project["scripts"].items()
    assert recipe["build"]["python"]["entry_points"] == [f"{name} = {entry}"]


def test_forms_and_settings_are_yaml() -> None:
    names = [".github/dependabot.yml", ".pre-commit-config.yaml"]
    names += [str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / ".github" / "ISSUE_TEMPLATE").iterdir()]
    assert len(names) >= 5 and all(isinstance(read(name), dict) for name in names)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_the_scripts_of_ci(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}, "more is for the job that needs it"
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            for script in re.findall(r"(?<!\S)\.?ci/\S+", step.get("run", "")):
                assert (REPOSITORY / script).exists(), script
            # what others can name, such as a branch, is no text of a command
            assert "${{" not in step.get("run", "")
            assert re.fullmatch(r"[\w-]+/[\w-]+@\S+", step.get("uses", "a/b@c"))


def test_the_workflow_has_each_python() -> None:
    rows = read(".github/workflows/tests.yml")["jobs"]["matrix"]["strategy"]["matrix"]["row"]
    classifiers = re.findall(r"Python :: (3\.\d+)", (REPOSITORY / "pyproject.toml").read_text())
    assert [row for row in rows if not row.endswith("-oldest")] == classifiers


@pytest.mark.parametrize("tag", ["v0.0.1", f"{PACKAGE_VERSION}", f"v{PACKAGE_VERSION}.post1"])
def test_a_tag_of_another_version_is_refused(tag: str) -> None:
    done = subprocess.run(["bash", "ci/release", tag], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1 and f"says {PACKAGE_VERSION}" in done.stderr


def test_nothing_is_published_before_the_project_has_a_home() -> None:
    if "/OWNER/" not in (REPOSITORY / "pyproject.toml").read_text():
        pytest.skip("it has one")
    tag = f"v{PACKAGE_VERSION}"
    done = subprocess.run(["bash", "ci/release", tag], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1 and "OWNER" in done.stderr
