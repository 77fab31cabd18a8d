"""Generated modules, imported."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agentfx.algebra import Published
from agentfx.contracts import Known, write_module
from tests.contracts.corpus import EXACT, FORMATS, UNTYPED


def known(function_id: str, schema: Any, **more: Any) -> Known:
    """A function that takes and gives values of one schema."""
    return Known(function_id, more.pop("description", ""), Published(schema, schema, **more))


def load(source: str, name: str, folder: Path) -> ModuleType:
    """Import a generated module."""
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def registry() -> list[Known]:
    """A registry with a function for every schema of the corpus."""
    schemas = {**EXACT, **FORMATS, **{name: schema for name, (schema, _) in UNTYPED.items()}}
    return [known(f"corpus::{name}", schema) for name, schema in schemas.items()]


@pytest.fixture(scope="session")
def corpus_source() -> str:
    return write_module(registry())


@pytest.fixture(scope="session")
def corpus(corpus_source: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return load(corpus_source, "generated_corpus", tmp_path_factory.mktemp("generated"))
