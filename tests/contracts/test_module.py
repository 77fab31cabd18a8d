"""Generated modules: typed for both checkers, the same every time, and nobody else's code."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from agentfx.algebra import Published
from agentfx.contracts import GenError, Known, published_in, write_module
from agentfx.contracts._module import module_source
from tests.contracts.conftest import known, load, registry

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CHECKERS = {
    "mypy": [str(BIN / "mypy"), "--strict"],
    "pyright": [str(BIN / "pyright"), "--pythonpath", sys.executable],
}


def test_it_is_the_same_whatever_the_order(corpus_source: str) -> None:
    assert write_module(registry()[::-1]) == corpus_source


def test_it_keeps_what_it_was_made_from(corpus_source: str) -> None:
    assert published_in(corpus_source) == sorted(registry(), key=lambda row: row.id)


def test_it_is_formatted(corpus_source: str) -> None:
    options = ["--isolated", "--line-length", "100", "--check", "--quiet", "-"]
    command = [str(BIN / "ruff"), "format", *options]
    assert subprocess.run(command, input=corpus_source, text=True).returncode == 0


def test_an_empty_registry_has_no_module() -> None:
    with pytest.raises(GenError, match="no function in the registry"):
        write_module([])


# What comes from outside is text, wherever it stands

HOSTILE = [
    '"""', "'''", '"', "'", "\\", '\\"""', '"""\\', "\n", "\r\n", "\x00", "\x1f", "\x85",
    "\u2028", "\u202e", "\u2066", "\ufeff", "\ud800", "{0}", "%s", "#", "# type: ignore",
    '"""\nimport os\nos.abort()\n"""', "'); import os; os.abort() #", "]\nraise SystemExit(9)\n[",
    "class", "None", "True", "import", "__class__", "__init__", "__dict__", "__slots__", "__doc__",
    "__annotations__", "__module__", "model_config", "model_fields", "Any", "str", "list", "dict",
    "Field", "Model", "Given", "Integer", "Literal", "Annotated", "remote", "CONTRACTS", "self",
    "self_", "cls", "args", "kwargs", "function_id", "straße", "ﬁ", "ª", "a-b", "a_b", "a b", "",
    "_", "__", "1", "noqa", "fmt: off", "X::y", "XY", "X::Y", "X::YJob", "XYInput", "XYResult",
]  # fmt: skip
KEYS = [key for key in HOSTILE if key != "\ud800"]
Values = st.SearchStrategy[Any]
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=3), max_size=3).map("".join)
names = st.sampled_from(HOSTILE) | texts


def described(kind: str, text: str) -> Any:
    return {"type": kind, "description": text, "title": text}


def an_object(properties: dict[str, Any], required: list[str], text: str, closed: bool) -> Any:
    more: Any = {"additionalProperties": False} if closed else {}
    needed = [*required, *list(properties)[:1]]
    known = {"type": "object", "properties": properties, "required": needed}
    return {**known, "description": text, **more}


def defined(name: str, part: Any) -> Any:
    path = name.replace("~", "~0").replace("/", "~1").replace("%", "%25")
    return {"$defs": {name: part}, "$ref": f"#/$defs/{path}"}


def keyword(name: str, **more: Any) -> Callable[[Any], Any]:
    def schema(value: Any) -> Any:
        return {name: value, **more}

    return schema


# Keywords with what JSON Schema never gives them.
ODD = (
    "type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems",
    "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "minimum", "multipleOf", "minLength",
    "pattern", "format", "description", "propertyNames", "minProperties", "nullable",
)  # fmt: skip


def with_odd(kind: str, odd: dict[str, Any]) -> Any:
    return {"type": kind, **odd}


def lists_and_objects(inner: Values) -> Values:
    return st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(ODD), inner)


values: Values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | names, lists_and_objects, max_leaves=4
)
ill_formed: Values = st.builds(
    with_odd,
    st.sampled_from(["object", "array", "string", "number"]),
    st.dictionaries(st.sampled_from(ODD), values, min_size=1, max_size=3),
)


def larger(inner: Values) -> Values:
    fields = st.dictionaries(names, inner, max_size=4)
    return st.one_of(
        st.builds(an_object, fields, st.lists(names, max_size=2), texts, st.booleans()),
        inner.map(keyword("items", type="array")),
        st.lists(inner, min_size=1, max_size=3).map(keyword("anyOf")),
        st.builds(defined, names, inner),
    )


schemas: Values = st.recursive(
    st.one_of(
        st.sampled_from([{}, False, True]),
        st.builds(described, st.sampled_from(["integer", "string", "number", "null"]), texts),
        st.lists(names | st.integers(), min_size=1).map(keyword("enum")),
        names.map(keyword("pattern", type="string")),
        ill_formed,
    ),
    larger,
    max_leaves=6,
)
failure_names = st.sampled_from(
    ["Gone", "class_", "_x", "__init__", "__name__", "__builtins__", "Any", "Model", "remote"]
)


def function(name: str, text: str, takes: Any, gives: Any, errors: Any, language: Any) -> Known:
    return Known(name, text, Published(takes, gives, errors, language))


failures = st.dictionaries(failure_names, schemas, max_size=2)
functions = st.builds(function, names, texts, schemas, schemas, failures, st.none() | texts)
registries = st.lists(functions, min_size=1, max_size=4, unique_by=lambda known: known.id)


def expected_statements(source: str) -> None:
    """Fail on any statement that a generated module has no reason to have."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        assert not isinstance(
            node, (ast.Import, ast.Lambda, ast.Await, ast.Raise, ast.Delete, ast.Global, ast.With)
        )
        if isinstance(node, ast.ImportFrom):
            assert node.module in (
                "__future__", "typing", "typing_extensions", "pydantic", "agentfx",
                "agentfx.contracts",
            )  # fmt: skip
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id in (
                "Field", "TypeAliasType", "TypedContract", "typed_remote", "multiple_of",
                "one_of_values", "ExactlyOne",
            )  # fmt: skip
        if isinstance(node, ast.Attribute):
            raise AssertionError(ast.unparse(node))
    for statement in tree.body:
        assert isinstance(
            statement,
            (ast.Expr, ast.ImportFrom, ast.ClassDef, ast.AnnAssign, ast.Assign, ast.FunctionDef),
        )
        if isinstance(statement, ast.Expr):
            assert isinstance(statement.value, ast.Constant)


@given(registries, st.integers(0, 10**9))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_from_outside_becomes_code(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Known], number: int
) -> None:
    source = module_source(rows)
    expected_statements(source)
    module = load(source, f"hostile_{number}", tmp_path_factory.mktemp("hostile"))
    assert set(module.CONTRACTS) == {row.id for row in rows}
    for contract in module.CONTRACTS.values():
        TypeAdapter(contract.takes)
        TypeAdapter(contract.gives)
        for failure in contract.failures.values():
            TypeAdapter(failure)


def hostile_source() -> str:
    odd = {
        "type": "object",
        "properties": {key: {"type": "integer", "description": key} for key in KEYS},
        "required": KEYS[::2],
    }
    rows = [
        Known(name, name, Published(odd, {"enum": KEYS}, {"Gone": odd, "__init__": odd}))
        for name in HOSTILE
    ]
    return write_module(rows)


def test_hostile_names_become_no_code() -> None:
    expected_statements(hostile_source())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("checker", CHECKERS)
def test_strict_checkers_accept_them(checker: str, corpus_source: str, tmp_path: Path) -> None:
    plain, hostile = tmp_path / "plain_names.py", tmp_path / "hostile_names.py"
    plain.write_text(corpus_source)
    hostile.write_text(hostile_source())
    command = [*CHECKERS[checker], str(plain), str(hostile)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stdout


def hostile_fields(folder: Path) -> ModuleType:
    schema = {"type": "object", "properties": {key: {"type": "integer"} for key in KEYS}}
    return load(write_module([known("odd::keys", schema)]), "odd_keys", folder)


def test_every_key_keeps_its_value(tmp_path: Path) -> None:
    takes: Any = hostile_fields(tmp_path).CONTRACTS["odd::keys"].takes
    adapter: TypeAdapter[Any] = TypeAdapter(takes)
    for at, key in enumerate(KEYS):
        value = adapter.validate_python({key: at}, by_alias=True, by_name=False)
        assert adapter.dump_python(value, by_alias=True) == {key: at}
