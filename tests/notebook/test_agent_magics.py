"""The magics for agents in a shell of IPython, without a kernel: text instead of a panel."""

import pytest

from tests.notebook.shell import Shell

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DEFINE = """
import agentfx as fx
from agentfx import harness
from agentfx.harness import StubModel, approved, results_of, text, tool_use

@fx.task("magics::square")
async def square(n: int) -> int:
    return n * n

def replies(request):
    found = results_of(request)
    if found:
        return [text(f"It is {found[-1]}.")]
    return [tool_use("magics__square", n=int(request.last_text))]

plain = harness.Agent("plain", model=StubModel(replies), tools=[square])
asking = harness.Agent("asking", model=StubModel(replies), tools=[approved(square)])
"""


def test_a_terminal_reads_what_happens_line_by_line(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run("session = %agent new plain")
    assert shell.run("%ask 12") == "It is 144."
    said = capsys.readouterr()
    assert "magics__square → 144" in said.out + said.err


def test_a_held_call_does_not_block_a_terminal(shell: Shell) -> None:
    shell.run("session = %agent new asking")
    shell.run("%ask 12")  # ends: nobody could approve while it waits
    shell.run("%approve")
    assert shell.run("%ask") == "It is 144."


def test_completion_knows_agents_and_sessions(shell: Shell) -> None:
    shell.run("session = %agent new plain")
    name = shell.value("session").id
    assert {"new", "list", "use"} <= set(shell.completions("%agent "))
    assert {"plain", "asking"} <= set(shell.completions("%agent new "))
    assert name in shell.completions("%agent use ")
    assert name in shell.completions("%compare ")
    assert name in shell.completions("%log ")
    assert "asking" in shell.completions("%fork 2 --agent ")
    assert name in shell.completions("%fork 2 --session ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%ask -o my-name hello", "my-name cannot be the name of a variable"),
        ("%agent new square", "square is Task, not an agent"),
        ("%fork x", "x is no number of an event"),
        ("%fork", "the following arguments are required: at"),
        ("%compare a b", "no session a"),
        ("%agent lift", "invalid choice: 'lift'"),
    ],
)
def test_a_mistake_is_one_line(shell: Shell, line: str, said: str) -> None:
    shell.run("session = %agent new plain")
    assert said in shell.said(line)
