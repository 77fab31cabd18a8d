"""A run in a real JupyterLab: watched, broken by a click, and ended well."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import NewPage
from tests.browser.lab import Lab
from tests.browser.page import SLOW_MS, NotebookPage, Shots, barriers, open_in
from tests.waiting import is_alive

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(400)]

SETUP = "%load_ext agentfx\nimport agentfx as fx, asyncio\nfrom pathlib import Path"
FETCH = """
%%run_dist -o result
gate = Path("gate").absolute()

@fx.task("docs::fetch")
async def fetch(n: int) -> int:
    print(f"fetching page {n}")
    await asyncio.sleep(0.2)
    while n > ITEMS // 2 and not gate.exists():
        await asyncio.sleep(0.05)
    return n * n

fetch.for_each(range(ITEMS), concurrency=6).map(sum).named("total words")
"""


def fetch(items: int) -> str:
    """A cell whose second half of items ends only when the gate is open."""
    return FETCH.replace("ITEMS", str(items))


def open_gate(lab: Lab, name: str) -> None:
    """Let the run of a notebook end, however slow the machine was until now."""
    (lab.root / name / "gate").touch()


def test_a_worker_is_killed_by_a_click_while_the_cell_runs(
    lab: Lab, page: Page, shots: Shots
) -> None:
    notebook = open_in(page, lab, "kill", SETUP, fetch(20), "print(result)")
    notebook.run_all()
    row = notebook.worker(1, "w1")
    expect(row).to_have_attribute("data-state", "up", timeout=SLOW_MS)
    expect(row.locator("td").first).to_have_text(re.compile(r"\d+"), timeout=SLOW_MS)
    pid = int(row.locator("td").first.inner_text())
    expect(row.locator("td").nth(1)).to_contain_text("#", timeout=SLOW_MS)
    row.get_by_role("button", name="Kill worker w1").click()
    expect(row).to_have_attribute("data-state", "killed", timeout=SLOW_MS)
    assert notebook.is_running(1), "the cell had ended before"
    assert not is_alive(pid)
    panel = notebook.panel(1)
    expect(panel.locator(".afx-move").first).to_be_attached(timeout=SLOW_MS)
    expect(panel.locator(".afx-note").first).to_contain_text(
        re.compile(
            r"→ w\d: noticed in .+ ms, (slot after .+|started at once)|queued again after .+ ms"
        ),
        timeout=30_000,
    )
    expect(panel.locator(".afx-bar[data-state=lost]").first).to_be_attached()
    notebook.shot(shots, "kill-while-running.png")
    panel.get_by_role("button", name="Spawn a worker").click()
    expect(notebook.worker(1, "w3")).to_have_attribute("data-state", "up", timeout=SLOW_MS)
    assert notebook.is_running(1)
    open_gate(lab, "kill")
    notebook.until_done(2)
    expect(notebook.output(2)).to_contain_text("Ok(value=2470)")
    expect(panel.locator(".afx-badge")).to_contain_text("done")
    expect(panel.locator(".afx-figures")).to_contain_text("0 finished jobs run again")
    notebook.shot(shots, "panel-light.png", 1)
    assert notebook.errors == []


def test_any_moment_of_the_run_can_be_seen_again(lab: Lab, page: Page) -> None:
    notebook = open_in(page, lab, "replay", SETUP, fetch(12))
    open_gate(lab, "replay")
    notebook.run_all()
    notebook.until_done(1)
    panel = notebook.panel(1)
    shown = in_the_middle(panel, 12)
    banner = panel.locator(".afx-banner")
    expect(banner).to_contain_text("This is the past: ", timeout=SLOW_MS)
    expect(panel.locator(".afx-badge")).to_contain_text("running")
    expect(panel.get_by_role("button", name="Spawn a worker")).to_be_disabled()
    expect(panel.get_by_role("button", name=re.compile("Kill worker")).first).to_be_disabled()
    assert 0 < shown < 12
    panel.get_by_role("button", name="Back to live").click()
    expect(banner).to_be_hidden()
    expect(panel.locator(".afx-badge")).to_contain_text("done")
    expect(panel.locator(".afx-bar")).to_have_count(12)
    expect(panel.get_by_role("button", name="Spawn a worker")).to_be_enabled()
    assert notebook.errors == []


SLIDE = """(el, share) => {
  el.value = share * el.max;
  el.dispatchEvent(new Event("input"));
  return Math.min(Number(el.value), el.max / 1.02).toFixed(2); // the slider goes beyond the end
}"""


def in_the_middle(panel: Locator, jobs: int) -> int:
    """Go to a moment at which some of the jobs have begun, and not all of them; how many."""
    before, after = 0.0, 1.0
    while after - before > 1 / 500:
        begun = look(panel, (before + after) / 2)
        if 0 < begun < jobs:
            return begun
        before, after = (before, (before + after) / 2) if begun else ((before + after) / 2, after)
    raise AssertionError("all of them began at once")


def look(panel: Locator, share: float) -> int:
    """Go to a moment of a run that has ended; how many of its jobs have begun there."""
    slider = panel.get_by_role("slider", name="Moment of the run")
    moment: str = slider.evaluate(SLIDE, share)
    expect(panel.locator(".afx-banner")).to_contain_text(f"This is the past: {moment} s ")
    expect(panel).to_have_attribute("data-drawn", "")
    return panel.locator(".afx-bar").count()


POISON = """
%%run_dist -o result
@fx.task("docs::parse")
async def parse(n: int) -> int:
    if n == 2 and not mended.exists():
        raise ValueError("no such luck <script>alert(1)</script>")
    return n

parse.for_each(range(4))
"""


def test_a_dead_letter_is_run_again_by_its_button(lab: Lab, page: Page, shots: Shots) -> None:
    broken = SETUP + "\nfrom pathlib import Path\nmended = Path('mended').absolute()"
    notebook = open_in(page, lab, "dead", broken, POISON, "print(result)", "mended.touch()")
    for index in (0, 1, 2, 3):
        notebook.run(index)
        notebook.until_done(index)
    expect(notebook.output(2)).to_contain_text("Err(")
    panel = notebook.panel(1)
    row = panel.locator("tr[data-job]").first
    expect(row).to_contain_text("crashed ValueError: no such luck <script>", timeout=SLOW_MS)
    notebook.shot(shots, "dead-letter.png", 1)
    row.get_by_role("button", name=re.compile("^Redrive job")).click()
    expect(panel.locator(".afx-said")).to_contain_text("its run is open again", timeout=SLOW_MS)
    expect(panel.locator("tr[data-job]")).to_have_count(0, timeout=SLOW_MS)
    notebook.run(1)
    notebook.until_done(1)
    expect(notebook.output(1)).to_contain_text("unfinished run")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Ok(value=[0, 1, 2, 3])", timeout=SLOW_MS)
    assert notebook.errors == []


def test_stop_watching_ends_the_cell_and_not_the_run(lab: Lab, page: Page) -> None:
    notebook = open_in(page, lab, "unwatch", SETUP, fetch(12), "1 + 1")
    notebook.run_all()
    panel = notebook.panel(1)
    panel.get_by_role("button", name="Stop watching this run; it goes on").click(timeout=SLOW_MS)
    expect(notebook.output(2)).to_contain_text("2", timeout=SLOW_MS)
    expect(notebook.output(1)).to_contain_text("goes on: `%resume")
    expect(panel.locator(".afx-badge")).to_contain_text("running")
    open_gate(lab, "unwatch")
    expect(panel.locator(".afx-badge")).to_contain_text("done", timeout=SLOW_MS)
    assert notebook.errors == []


def test_a_saved_notebook_shows_the_end_of_its_run_without_a_kernel(
    lab: Lab, page: Page, shots: Shots
) -> None:
    notebook = open_in(page, lab, "saved", SETUP, fetch(12))
    notebook.run_all()
    notebook.panel(1).get_by_role("button", name=re.compile("Kill worker")).first.click(
        timeout=SLOW_MS
    )
    expect(notebook.panel(1).locator("tr[data-state=killed]")).to_be_visible(timeout=SLOW_MS)
    open_gate(lab, "saved")
    notebook.until_done(1)
    expect(notebook.panel(1).locator(".afx-badge")).to_contain_text("done")
    notebook.save()
    lab.end_kernels()
    reopened = NotebookPage(page)
    reopened.open(lab.address("saved"))
    reopened.command("application:toggle-left-area")
    html = reopened.output(1)
    expect(html.locator(".afx")).to_have_count(0)
    expect(html.locator("caption", has_text="Workers")).to_be_visible(timeout=SLOW_MS)
    expect(html).to_contain_text("killed")
    expect(html).to_contain_text("12 of 12 steps ended")
    expect(html.locator("caption", has_text="Jobs that moved")).to_be_visible()
    expect(html).to_contain_text("the cluster of this folder")
    expect(html).not_to_contain_text(str(lab.root))  # the picture is in the documents
    reopened.shot(shots, "saved-without-kernel.png")


def test_two_tabs_show_one_run(lab: Lab, page: Page) -> None:
    notebook = open_in(page, lab, "tabs", SETUP, fetch(12))
    notebook.run_all()
    expect(notebook.worker(1, "w1")).to_be_visible(timeout=SLOW_MS)
    notebook.command("docmanager:save")
    second = NotebookPage(page.context.new_page())
    second.page.goto(f"{lab.url}/lab/workspaces/second/tree/tabs/tabs.ipynb?reset")
    expect(second.worker(1, "w2")).to_have_attribute("data-state", "up", timeout=SLOW_MS)
    second.worker(1, "w2").get_by_role("button", name="Kill worker w2").click()
    for tab in (notebook, second):
        expect(tab.worker(1, "w2")).to_have_attribute("data-state", "killed", timeout=SLOW_MS)
    assert notebook.errors == []
    assert second.errors == []


def test_in_the_dark_theme_and_at_600_pixels_nothing_bars_anybody(
    dark_lab: Lab, new_page: NewPage, axe: str, shots: Shots
) -> None:
    page = new_page(1100, 1500)
    notebook = open_in(page, dark_lab, "dark", SETUP, fetch(12))
    notebook.command("application:toggle-left-area")
    notebook.run_all()
    row = notebook.worker(1, "w1")
    row.get_by_role("button", name="Kill worker w1").click(timeout=SLOW_MS)
    expect(row).to_have_attribute("data-state", "killed", timeout=SLOW_MS)
    open_gate(dark_lab, "dark")
    notebook.until_done(1)
    panel = notebook.panel(1)
    assert panel.evaluate("(el) => getComputedStyle(el).backgroundColor") == "rgb(17, 17, 17)"
    assert barriers(page, axe) == []
    notebook.shot(shots, "dark.png", 1)
    page.set_viewport_size({"width": 718, "height": 2000})
    expect(panel).to_have_js_property("clientWidth", 600, timeout=SLOW_MS)
    assert barriers(page, axe) == []
    notebook.shot(shots, "dark-600.png", 1)
    dark_lab.end_kernels()
