"""A conversation with an agent in a real JupyterLab: watched, approved by hand, broken, ended."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab
from tests.browser.page import SLOW_MS, NotebookPage, Shots, barriers, open_in

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(240)]

SETUP = """
%load_ext agentfx
import asyncio
from pathlib import Path
from typing import Literal
import agentfx as fx
from agentfx import harness
from agentfx.harness import StubModel, approved, results_of, text, tool_use

gate = Path("gate").absolute()

@fx.task("shop::price")
async def price(item: str) -> int:
    while not gate.exists():
        await asyncio.sleep(0.05)
    return len(item)

@fx.action("shop::pay")
async def pay(amount: int, to: str, how: Literal["card", "cash"] = "card") -> str:
    return f"paid {amount} to {to} by {how}"

def replies(request):
    found = results_of(request)
    if "pay" in request.last_text and not found:
        return [tool_use("shop__pay", amount=5, to="<img src=x onerror=alert(1)>")]
    if "look" in request.last_text and not found:
        return [tool_use("shop__price", item="pears")]
    return [text(f"<b>{found[-1]}</b>")]

shop = harness.Agent(
    "shop", model=StubModel(replies, prices=harness.Prices(3, 15)), tools=[price, approved(pay)]
)
session = %agent new shop
"""


STARTED_MS = 60_000


def run_all(notebook: NotebookPage) -> None:
    """Run all cells; the first one starts a cluster."""
    notebook.run_all()
    expect(notebook.prompt(0)).to_have_text(re.compile(r"\[\d+\]"), timeout=STARTED_MS)


def form_of(notebook: NotebookPage, index: int) -> Locator:
    form = notebook.panel(index).get_by_role("form", name="Approve shop__pay")
    expect(form).to_be_visible(timeout=SLOW_MS)
    return form


def test_a_call_is_approved_with_the_keyboard_alone(
    lab: Lab, page: Page, axe: str, shots: Shots
) -> None:
    notebook = open_in(page, lab, "approve", SETUP, "%%ask -o answer\nplease pay", "print(answer)")
    run_all(notebook)
    form = form_of(notebook, 1)
    assert notebook.is_running(1)
    expect(form.get_by_label("to", exact=True)).to_have_value("<img src=x onerror=alert(1)>")
    amount = form.get_by_label("amount")
    amount.fill("many")
    approve = form.get_by_role("button", name="Approve")
    expect(approve).to_be_disabled()
    expect(form.locator(".afx-wrong:visible")).to_have_text("this is no number")
    amount.fill("2.5")
    expect(form.locator(".afx-wrong:visible")).to_contain_text("integer", timeout=SLOW_MS)
    assert amount.get_attribute("aria-invalid") == "true"
    assert barriers(page, axe) == []
    notebook.shot(shots, "agent-approve.png", 1)
    amount.fill("7")
    expect(approve).to_be_enabled(timeout=SLOW_MS)
    form.get_by_label("how").select_option('"cash"')
    amount.press("Enter")  # approves nothing by accident
    expect(form).to_be_visible()
    amount.press("Control+Enter")
    notebook.until_done(2)
    expect(notebook.output(2)).to_contain_text("paid 7 to <img src=x onerror=alert(1)> by cash")
    expect(notebook.panel(1).locator(".afx-badge")).to_have_text("done")
    expect(form).not_to_be_attached()
    assert page.locator(".afx img").count() == 0
    assert barriers(page, axe) == []
    notebook.shot(shots, "agent-answer.png", 1)
    assert notebook.errors == []


def test_a_call_is_rejected_with_a_reason_and_another_approved_as_it_stands(
    lab: Lab, page: Page
) -> None:
    ask = "%%ask -o answer\nplease pay"
    notebook = open_in(page, lab, "reject", SETUP, ask, "print(answer)", ask, "print(answer)")
    run_all(notebook)
    form = form_of(notebook, 1)
    form.get_by_label("Why not").fill("Too dear.")
    form.get_by_role("button", name="Reject").click()
    notebook.until_done(2)
    expect(notebook.output(2)).to_contain_text("Too dear.")
    form_of(notebook, 3).get_by_role("button", name="Approve").click()
    notebook.until_done(4)
    expect(notebook.output(4)).to_contain_text("paid 5")
    # The field of an argument that was left out shows its default: that is no change of the call.
    expect(notebook.panel(3)).not_to_contain_text("changed the arguments")


def test_its_worker_is_killed_by_a_click_and_the_answer_comes(
    lab: Lab, page: Page, shots: Shots
) -> None:
    notebook = open_in(page, lab, "agent-kill", SETUP, "%%ask -o answer\nlook up pears")
    run_all(notebook)
    panel = notebook.panel(1)
    call = panel.locator("li[data-state=running]")
    expect(call).to_contain_text(re.compile(r"runs on w\d"), timeout=SLOW_MS)
    found = re.search(r"runs on (w\d)", call.inner_text())
    assert found is not None
    panel.get_by_role("button", name=f"Kill worker {found[1]}").click()
    expect(panel.locator(".afx-hand-off")).to_contain_text(
        re.compile(rf"{found[1]} → w\d: noticed and queued again in .+ ms"), timeout=SLOW_MS
    )
    assert notebook.is_running(1)
    notebook.shot(shots, "agent-hand-off.png", 1)
    (lab.root / "agent-kill" / "gate").touch()
    notebook.until_done(1)
    expect(panel.locator("li[data-type=answer]").last).to_contain_text("<b>5</b>")
    expect(panel.locator(".afx-facts")).to_contain_text("2 model calls")


def test_the_live_log_is_filtered(lab: Lab, page: Page, axe: str) -> None:
    cells = ("%log --live", "answer = %ask look up pears")
    notebook = open_in(page, lab, "agent-log", SETUP, *cells)
    (lab.root / "agent-log" / "gate").touch()
    run_all(notebook)
    notebook.until_done(2)
    rows = notebook.panel(1).locator("tbody tr")
    expect(rows.filter(has_text="assistant")).to_have_count(2, timeout=SLOW_MS)
    notebook.panel(1).get_by_label("Filter events").fill("tool_result")
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("shop__price → 5")
    assert barriers(page, axe) == []
