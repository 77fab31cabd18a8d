"""The demonstrations, as a user runs them."""

import asyncio
import json
import os
import sys
from typing import Any

import pytest

from tests.harness.api import Api, Plan, serving, stream

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(120)]


async def demo(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run `agentfx demo …`; its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agentfx", "demo", *arguments,
        env={**os.environ, "COLUMNS": "150", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_an_agent_survives_its_worker() -> None:
    status, output = await demo("harness")
    assert status == 0, output
    assert "answer: 142" in output
    log = [line.split() for line in output.splitlines() if line[:2].strip().isdigit()]
    writers = [line[1] for line in log]
    assert writers.index("w1") < writers.index("w2")
    assert "w1" not in writers[writers.index("w2") :]


async def test_a_message_that_overtakes_a_turn() -> None:
    status, output = await demo("preempt-agent")
    assert status == 0, output
    assert "only the newest message's tool ran: yes" in output


async def test_the_loop_in_the_driver() -> None:
    status, output = await demo("agent")
    assert status == 0, output
    assert "the same, and 142: yes" in output


async def test_without_a_key_claude_says_so_in_one_line() -> None:
    status, output = await demo("harness", "--model", "claude", ANTHROPIC_API_KEY="")
    assert status == 1
    assert output.strip().count("\n") == 0
    assert "ANTHROPIC_API_KEY is not set" in output


async def test_the_same_with_claude_and_a_python_worker() -> None:
    """Claude is played; the SDK, the workers and `pymath::add` are real."""
    async with serving() as api:
        api.plans = Sums(api)
        status, output = await demo(
            "harness", "--model", "claude",
            ANTHROPIC_API_KEY="sk-ant-test-0123456789abcdef", ANTHROPIC_BASE_URL=api.url,
        )  # fmt: skip
    assert status == 0, output
    assert "answer: 142" in output
    assert "sk-ant" not in output


class Sums(list[Plan]):
    """Answers as Claude would: one sum after the other."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

    def pop(self, index: Any = -1) -> Plan:
        messages = self._api.requests[-1]["messages"]
        found = [
            json.loads(block["content"])["sum"]
            for message in messages
            for block in message["content"]
            if block["type"] == "tool_result"
        ]
        if len(found) == 2:
            return Plan(stream({"type": "text", "text": str(int(found[-1]))}))
        a, b = (21, 21) if not found else (found[0], 100)
        call = {"type": "tool_use", "id": f"toolu_{len(found)}", "name": "pymath__add"}
        thinking = {"type": "thinking", "thinking": "so", "signature": "sig"}
        return Plan(stream(thinking, {**call, "input": {"a": a, "b": b}}, stop="tool_use"))
