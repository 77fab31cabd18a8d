"""Agents in a real kernel, without a browser."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.notebook.kernel import Kernel, Ran, started_kernel

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(120)]

SHOP = '''
%load_ext agentfx
import agentfx as fx, asyncio
from pathlib import Path
from agentfx import harness
from agentfx.harness import StubModel, approved, results_of, text, tool_use

@fx.task("shop::price")
async def price(item: str) -> int:
    """Price of an item."""
    print("looking up", item)
    await asyncio.sleep({seconds})
    while not Path("{gate}").exists():
        await asyncio.sleep(0.01)
    return {price}

@fx.action("shop::pay")
async def pay(amount: int, to: str = "shop") -> str:
    """Pay."""
    return f"paid {{amount}} to {{to}}"

def replies(request):
    found, words = results_of(request), request.last_text
    if words.startswith("pay") and not found:
        return [tool_use("shop__pay", amount=int(words.split()[1]))]
    if words.startswith("look up") and not found:
        return [text("Let me see."), tool_use("shop__price", item=words.split()[2])]
    return [text(f"You said {{words}}." if not found else f"It is: {{found[-1]}}")]

shop = harness.Agent(
    "shop", model=StubModel(replies, prices=harness.Prices(3, 15)), tools=[price, approved(pay)],
    system="Buy.",
)
'''


def shop(*, seconds: float = 0.05, price: str = "len(item)", gate: Path = Path("/")) -> str:
    """A cell with an agent; its look-ups end only once the gate, a file, is there."""
    return SHOP.format(seconds=seconds, price=price, gate=gate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agents")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Generator[Kernel]:
    with started_kernel(folder) as kernel:
        kernel.run(shop())
        kernel.run("%agentfx up")
        yield kernel
        kernel.run("%agentfx down")


@pytest.fixture
def kernel(shared: Kernel) -> Kernel:
    """The kernel, with a new session in use."""
    shared.run("session = %agent new shop")
    return shared


def last_text(ran: Ran) -> str:
    return str(ran.shown[-1]["text/plain"])


def rows_of(ran: Ran, table: str) -> dict[str, dict[str, Any]]:
    """What a panel was sent of a table, all together."""
    found: dict[str, dict[str, Any]] = {}
    for _, diff in ran.comm("diff"):
        found.update(diff["set"].get(table, {}))
    return found


def test_an_answer_comes_into_the_cell_with_its_tools_and_cost(kernel: Kernel) -> None:
    ran = kernel.run("%%ask -o answer\nlook up <b>apples</b>", cell="a")
    assert kernel.value("answer") == repr("It is: " + str(len("<b>apples</b>")))
    live, shown = ran.shown
    assert "application/vnd.jupyter.widget-view+json" in live
    assert '✓ shop__price(item="<b>apples</b>") done on w' in shown["text/plain"]
    assert "| looking up <b>apples</b>" in shown["text/plain"]
    assert "· done · 2 model calls" in shown["text/plain"]
    assert "cost 0.0" in shown["text/plain"]
    assert "&lt;b&gt;apples" in shown["text/html"]
    assert "<b>apples" not in shown["text/html"]
    assert "<script" not in shown["text/html"]


def test_the_line_form_gives_the_answer_and_takes_words_as_they_are(kernel: Kernel) -> None:
    kernel.run('answer = %ask what\'s "up"')
    assert kernel.value("answer") == repr('You said what\'s "up".')


def test_the_log_and_the_list_are_tables(kernel: Kernel) -> None:
    kernel.run("%ask hello")
    kernel.run("table = %log")
    assert kernel.value("list(table['seq']) == list(range(1, len(table) + 1))") == "True"
    assert kernel.value("table['kind'].iloc[1]") == "'user_message'"
    kernel.run("listed = %agent list")
    assert kernel.value("session.id in set(listed['session'])") == "True"
    assert kernel.value("listed['agent'].iloc[0]") == "'shop'"


def test_the_live_log_grows_and_can_be_left(kernel: Kernel) -> None:
    ran = kernel.run("%log --live", cell="log")
    assert "session shop-" in last_text(ran)
    ran = kernel.run("%ask hello", cell="other")
    assert {row["kind"] for row in rows_of(ran, "log").values()} >= {"user_message", "assistant"}
    kernel.run("None", cell="log")  # its panel is gone with its output


def test_a_held_call_is_approved_from_the_panel_with_other_arguments(kernel: Kernel) -> None:
    cell = kernel.start("%%ask -o answer\npay 5", cell="b")
    panel = kernel.open_panel()
    call = _until_held(kernel, panel)
    kernel.click(panel, op="check", call=call, arguments={"amount": "5"})
    kernel.click(panel, op="approve", id="1", call=call, arguments={"amount": "many"})
    kernel.click(panel, op="approve", id="2", call=call, arguments={"amount": 7, "to": "me"})
    ran = kernel.collect(cell)
    found = [content["problems"] for _, content in ran.comm("problems")]
    assert [set(problems) for problems in found] == [{"amount"}, {"amount"}]
    assert {answer["id"]: answer["ok"] for _, answer in ran.comm("answer")} == {
        "1": False, "2": True,
    }  # fmt: skip
    assert "paid 7 to me" in kernel.value("answer")
    assert "A person changed the arguments" in kernel.value("answer")


def test_unchanged_arguments_are_no_edit(kernel: Kernel) -> None:
    cell = kernel.start("%%ask -o answer\npay 5", cell="b")
    panel = kernel.open_panel()
    call = _until_held(kernel, panel)
    kernel.click(panel, op="approve", id="1", call=call, arguments={"amount": 5})
    kernel.collect(cell)
    assert kernel.value("answer") == repr("It is: paid 5 to shop")


def test_a_held_call_is_rejected_from_the_panel_and_the_model_reads_why(kernel: Kernel) -> None:
    cell = kernel.start("%%ask -o answer\npay 5", cell="b")
    panel = kernel.open_panel()
    call = _until_held(kernel, panel)
    kernel.click(panel, op="reject", id="1", call=call, reason="Too <dear>.")
    kernel.collect(cell)
    assert "Too <dear>." in kernel.value("answer")


def _until_held(kernel: Kernel, panel: str) -> str:
    """Wait until the panel has a form; the call that it is for."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == panel:
            content = message["content"]["data"].get("content", {})
            held: dict[str, Any] = content.get("set", {}).get("held", {})
            if held:
                return next(iter(held))


def test_magics_decide_too_and_say_what_they_did(kernel: Kernel) -> None:
    kernel.run("%ask --detach pay 5")
    assert "approved: call " in kernel.run("%approve --arguments dict(amount=6)").text
    kernel.run("answer = %ask")
    assert "paid 6 to shop" in kernel.value("answer")
    kernel.run("%ask --detach pay 8")
    assert "rejected: call " in kernel.run("%reject don't").text
    kernel.run("answer = %ask")
    assert "don't" in kernel.value("answer")


def test_interrupt_stops_watching_and_not_the_agent(kernel: Kernel, folder: Path) -> None:
    gate = folder / "interrupted"
    kernel.run(shop(gate=gate))
    cell = kernel.start("%%ask -o answer\nlook up pears", cell="c")
    _until_running(kernel, kernel.open_panel())
    kernel.interrupt()
    ran = kernel.collect(cell)  # it ends, and the call cannot have
    gate.touch()
    assert ran.status == "ok", ran.error
    assert "stopped watching; session shop-" in ran.text
    kernel.run("%ask -o answer")
    assert kernel.value("answer") == "'It is: 5'"
    kernel.run(shop())


def test_a_worker_is_killed_in_the_middle_of_a_tool_and_the_cell_shows_the_hand_off(
    kernel: Kernel, folder: Path
) -> None:
    gate = folder / "killed"
    kernel.run(shop(gate=gate))
    cell = kernel.start("%%ask -o answer\nlook up pears", cell="d")
    panel = kernel.open_panel()
    worker = _until_running(kernel, panel)
    kernel.click(panel, op="kill", id="1", worker=worker)
    answer = kernel.wait_for_comm("answer")
    assert answer["ok"], answer
    gate.touch()  # before, the call could not end
    ran = kernel.collect(cell)
    kernel.run(shop())
    assert kernel.value("answer") == "'It is: 5'"
    shown = last_text(ran)
    assert f"⚡ {worker} → w" in shown
    assert "noticed and queued again in" in shown
    kernel.click(panel, op="spawn", id="2")


def _until_running(kernel: Kernel, panel: str) -> str:
    """Wait until the panel shows a call that runs; where."""
    while True:
        message = kernel.client.get_iopub_msg(timeout=30)
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == panel:
            content = message["content"]["data"].get("content", {})
            for row in content.get("set", {}).get("talk", {}).values():
                if row["type"] == "call" and row["state"] == "running":
                    return str(row["worker"])


def test_a_cell_that_changes_a_tool_changes_the_calls_from_here_on(kernel: Kernel) -> None:
    kernel.run("before = %ask look up pears")
    kernel.run(shop(price="'new'").replace("-> int", "-> str"))
    kernel.run("after = %ask look up pears")
    assert kernel.value("(before, after)") == "('It is: 5', 'It is: new')"
    kernel.run(shop())


def test_fork_and_compare(kernel: Kernel) -> None:
    kernel.run("%ask look up pears")
    kernel.run("at = 2")
    ran = kernel.run("branch = %fork $at --edit 'look up a'")
    assert "is a branch of shop-" in ran.text
    kernel.run("answer = %ask")
    assert kernel.value("answer") == "'It is: 1'"
    shown = kernel.run("%compare $session $branch").shown[-1]
    assert "the first 1 events are the same" in shown["text/plain"]
    assert "It is: 5" in shown["text/html"]
    assert "It is: 1" in shown["text/html"]
    assert kernel.value("len(session.events) < len(await session.refresh())") == "True"


def test_a_session_is_gone_on_with_after_the_kernel_died(folder: Path) -> None:
    place = folder / "restart"
    with started_kernel(place) as kernel:
        kernel.run(shop())
        kernel.run("session = %agent new shop --session mine")
        kernel.run("%ask --detach pay 5")
        kernel.run("held = %log")
        kernel.restart()
        kernel.run("%load_ext agentfx")
        used = kernel.run("%agent use mine")
        assert "waits for you: <code>%approve " in used.shown[-1]["text/html"]
        kernel.run("%approve")
        kernel.run("answer = %ask")
        assert kernel.value("answer") == "'It is: paid 5 to shop'"
        kernel.run("%agentfx down")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%agent use nobody", "no session nobody: `%agent list` has them"),
        ("%agent new", "which agent: %agent new NAME"),
        ("%agent new price", "price is"),
        ("%agent new nothing", "nothing: name 'nothing' is not defined"),
        ("%approve", "no call of session"),
        ("%approve 77.0", "no call 77.0"),
        ("%fork 99", "has events 1 to"),
        ("%fork last", "last is no number of an event: %log lists them"),
        ("%fork 1 --edit x", "event 1 is session_started: only messages and results"),
        ("%compare", "the following arguments are required: left"),
        ("%%ask beside\nthe cell", "the message is the cell; 'beside' stands beside it"),
        ("%approve --arguments 3", "3 is no dict"),
    ],
)
def test_a_mistake_is_one_line(kernel: Kernel, line: str, said: str) -> None:
    ran = kernel.run(line, check=False)
    assert ran.status == "error"
    assert "UsageError" in ran.error or said in ran.text + ran.error
    assert said in ran.text + ran.error


UNTIL_NOBODY_WATCHES = """
from agentfx.notebook._kit import the_kit
async with asyncio.timeout(30):
    while asyncio.all_tasks(the_kit().cluster.loop):
        await asyncio.sleep(0.01)
"""


def test_a_cluster_that_was_taken_down_stays_down_whoever_still_watches(folder: Path) -> None:
    with started_kernel(folder / "down") as kernel:
        kernel.run(shop(seconds=20))
        kernel.run("session = %agent new shop")
        kernel.run("%log --live")
        kernel.run("%ask --detach look up pears")
        kernel.run("%agentfx down")
        kernel.run(UNTIL_NOBODY_WATCHES)
        assert "no engine" in kernel.run("%agentfx").shown[-1]["text/plain"]
        ran = kernel.run("await session.status()", check=False)
        assert "`%agentfx up` brings it back" in ran.error
        kernel.run("%agentfx up")
        assert kernel.value("(await session.status()).head > 1") == "True"
        kernel.run("%agentfx down")


def test_without_a_session_the_next_step_is_named(folder: Path) -> None:
    with started_kernel(folder / "none") as kernel:
        kernel.run("%load_ext agentfx")
        ran = kernel.run("%ask hello", check=False)
        assert "`%agent new NAME` begins one" in ran.text + ran.error
