"""Each dependency has a written reason, and the lock files hold each."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs/design/0001-dependencies.md").read_text()
SECTIONS = {
    "Core": "core",
    "Extra `notebook`": "notebook",
    "Extra `claude`": "claude",
    "Extra `gen`": "gen",
}


def _names(requirements: list[Any]) -> list[str]:
    return sorted(re.split(r"[<>=\[]", r)[0] for r in requirements if isinstance(r, str))


def _told() -> dict[str, list[str]]:
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return {
        SECTIONS[title]: re.findall(r"^- `([\w-]+)`: \S", text, re.MULTILINE)
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
        if title in SECTIONS
    }


def test_each_dependency_has_a_reason() -> None:
    project = PROJECT["project"]
    extras = {name: _names(found) for name, found in project["optional-dependencies"].items()}
    assert _told() == {"core": _names(project["dependencies"]), **extras}


def test_those_of_development_are_named() -> None:
    text = PAGE.partition("## For development only")[2].partition("\n## ")[0]
    groups = PROJECT["dependency-groups"].values()
    assert sorted(set(re.findall(r"`([\w-]+)`", text))) == sorted(
        {name for group in groups for name in _names(group)}
    )


def test_the_lock_files_pin_each_with_its_hash() -> None:
    project = PROJECT["project"]
    core, everything = ((ROOT / f"requirements/{name}.txt").read_text() for name in ("core", "dev"))
    for name in _names(project["dependencies"]):
        assert re.search(rf"^{name}==\S+ .*\\\n +--hash=sha256:", core, re.MULTILINE), name
    groups = [*project["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    for name in {name for group in groups for name in _names(group)}:
        assert re.search(rf"^{name}(\[\w+\])?==\S+ .*\\\n +--hash=", everything, re.MULTILINE), name
