"""The architecture: imports go one way, and the packages that are imported are ours."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["schema", "engine", "resolvers", "db", "server"]


def test_imports_keep_the_contracts() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint_imports, "--no-cache"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_ours_and_nobody_elses(name: str) -> None:
    """`schema` and `db` exist on PyPI; a dependency that brought one would win over ours."""
    file = importlib.import_module(name).__file__
    assert file is not None
    assert Path(file).is_relative_to(ROOT)
    assert set(packages_distributions().get(name, [])) <= {"aibridge-graphql"}


def test_all_packages_are_built_and_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert set(project["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)
    assert set(project["importlinter"]["root_packages"]) == set(PACKAGES)
    for tool in (project["mypy"]["files"], project["pyright"]["include"]):
        assert set(PACKAGES) <= set(tool)


@pytest.mark.parametrize("folder", [ROOT / "tests", *(ROOT / name for name in PACKAGES)])
def test_every_folder_of_modules_is_a_package(folder: Path) -> None:
    """Without `__init__.py`, `tests/schema` would be found where `schema` is imported."""
    folders = {file.parent for file in folder.rglob("*.py")}
    assert [str(path) for path in folders if not (path / "__init__.py").exists()] == []
