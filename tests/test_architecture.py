"""Layers import one way, and each module stays a room one can see at a glance."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "agentfx"
WIDGETS = Path(__file__).parents[1] / "agentfx_widgets"
LONGEST_FILE = 500
LONGEST_FUNCTION = 60

# `_clock`, `_errors` and `_packages` are for all. `notebook`, `cli`, `testing` and `demos` may
# import any of these. Why it bends the first plan in three places: docs/design/0002-layers.md.
ALLOWED: dict[str, set[str]] = {
    "algebra": set(),
    "jobs": set(),
    "wire": set(),
    "interpreters": {"algebra", "jobs", "streams"},
    "services": {"jobs", "wire"},
    "engine": {"wire", "services"},
    "backends": {"algebra", "interpreters", "jobs", "wire"},
    "contracts": {"algebra", "backends", "wire"},
    "cluster": {"algebra", "backends", "engine", "interpreters", "jobs", "services", "wire"},
    "streams": {"algebra"},
    "harness": {"algebra", "contracts", "interpreters", "jobs"},
}
FOR_ALL = {"_clock", "_errors", "_packages"}
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((PACKAGE.parent / "tests").rglob("*.py"))


def first_party_layers(path: Path) -> set[str]:
    """The layers that a module imports, also inside functions and for type checking only."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: write imports in full"
            names = [node.module]
            if node.module == "agentfx":
                names = [f"agentfx.{alias.name}" for alias in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("agentfx.")}
    return found - FOR_ALL


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_lower_layers(layer: str) -> None:
    used: set[str] = set()
    for path in sorted((PACKAGE / layer).rglob("*.py")):
        found = first_party_layers(path)
        assert found <= ALLOWED[layer] | {layer}, f"{path} reaches up to {found - ALLOWED[layer]}"
        used |= found
    assert used | {layer} == ALLOWED[layer] | {layer}, "the table allows what nobody needs"


def test_every_folder_is_a_known_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ALLOWED) | {"notebook", "cli", "testing", "demos"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {_dotted(path): path for path in MODULES}
    graph = {name: _imported(path) & names.keys() for name, path in names.items()}
    TopologicalSorter(graph).prepare()  # raises and names the circle, if there is one


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def _imported(path: Path) -> set[str]:
    """Full names of what a module imports; a name out of a package may be a module of it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            found.add(node.module)
    package = _dotted(path) if path.name == "__init__.py" else _dotted(path).rpartition(".")[0]
    return found - {package, "agentfx"}  # a package that was entered already is complete enough


def test_the_iii_sdk_is_imported_in_one_module() -> None:
    importers = {path.relative_to(PACKAGE) for path in MODULES if _imports(path, "iii")}
    assert importers == {Path("backends/_connection.py")}


def test_sql_stays_behind_the_store() -> None:
    importers = {
        path.relative_to(PACKAGE).parts[:2] for path in MODULES if _imports(path, "sqlite3")
    }
    assert importers <= {("services", "_sqlite"), ("cli", "_info.py")}


def test_nothing_is_unpickled_but_private_files_and_pipes() -> None:
    readers = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if re.search(r"\b(pickle\.loads?|Unpickler|cloudpickle\.loads?)\b", path.read_text())
    }
    assert readers == {
        "cluster/_bundle.py",  # of this user: owner, mode and hash are checked
        "interpreters/_process.py",  # from a child of ours
        "interpreters/_process_child.py",  # from its parent
    }


def test_time_is_asked_in_one_module() -> None:
    for path in MODULES:
        if path.name != "_clock.py" and "testing" not in path.parts:
            text = path.read_text()
            assert "time.time()" not in text, path
            assert "asyncio.sleep(" not in text, path


def test_the_widgets_import_nothing_of_agentfx() -> None:
    for path in sorted(WIDGETS.rglob("*.py")):
        assert not _imports(path, "agentfx"), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno:
            assert node.end_lineno - node.lineno < LONGEST_FUNCTION, f"{path}: {node.name}"


def test_files_of_tests_are_short() -> None:
    long = [path for path in TESTS if len(path.read_text().splitlines()) > LONGEST_FILE]
    assert long == []


def _imports(path: Path, package: str) -> bool:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if any(name.split(".")[0] == package for name in names):
            return True
    return False
