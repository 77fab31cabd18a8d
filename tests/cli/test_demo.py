"""`agentfx demo fanout`, on fewer modules than it has."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

import agentfx.cli._demo_fanout as demo
import agentfx.cli._demo_harness as harness_demo
from agentfx.demos import _stdlib as stdlib
from tests.cluster.command import Command


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(180)
def test_a_worker_is_killed_and_nothing_is_lost(
    agentfx: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    some = stdlib.modules()[:80]
    monkeypatch.setattr(demo, "modules", lambda: some)
    monkeypatch.setattr(demo, "LEAST_MODULES", 40)
    said = agentfx("demo", "fanout", "--svg", str(tmp_path / "hand-off.svg"))
    assert said.status == 0
    assert "kill -9 of worker w1" in said.out
    assert "equal to the run in memory: yes" in said.out
    assert "  make lab " in said.out  # in a clone
    by_worker = re.search(r"jobs by worker: (.*)", said.out)
    assert by_worker is not None
    counts = {name: int(n) for name, n in re.findall(r"(w\d) (\d+)", by_worker[1])}
    assert sum(counts.values()) == len(some) + 1  # and the summary
    assert counts["w2"]
    picture = (tmp_path / "hand-off.svg").read_text()
    assert "</svg>" in picture
    assert "@font-face" not in picture  # it fetches nothing


def test_an_installed_package_has_no_makefile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "MAKEFILE", tmp_path / "Makefile")
    out = Console(file=io.StringIO(), record=True)
    demo._suggest(out)
    said = out.export_text()
    assert "\n  agentfx demo harness  an agent" in said
    assert "make" not in said


def test_a_python_without_its_source_is_named(
    agentfx: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "modules", lambda: ["abc.py"])
    said = agentfx("demo", "fanout")
    assert said.status == 1
    assert "is its source installed?" in said.out


def test_an_installed_package_has_no_worker_for_claude(
    agentfx: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(harness_demo, "PYMATH", tmp_path / "pymath")
    line = agentfx.refused("demo", "harness", "--model", "claude", ANTHROPIC_API_KEY="none")
    assert line.startswith("with Claude the demonstration needs workers/pymath, which a clone")
