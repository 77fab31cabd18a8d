"""What the panel draws and sends, in a page of its own."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

import agentfx as fx
from agentfx.jobs import Told
from agentfx.notebook._replay import Replay
from agentfx.notebook._tables import Snapshot
from agentfx.notebook._view import View
from tests.browser.conftest import NewPage
from tests.browser.host import Host
from tests.browser.page import Shots, barriers
from tests.browser.scenes import HAND_OFF, Story, dead_letters, long_run, refused, scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

OpenPanel = Callable[..., Host]


@pytest.fixture
def open_panel(new_page: NewPage) -> OpenPanel:
    """Opens a panel in a page of a width; nothing may go wrong in it."""

    def make(view: View | Snapshot, *, width: int = 984, theme: str = "light") -> Host:
        snapshot = view.snapshot() if isinstance(view, View) else view
        now = snapshot["tables"]["run"]["run"].get("took", 2.2)
        host = Host(new_page(width, 1400), {**snapshot, "now": now}, theme=theme)
        host.settle()
        return host

    return make


def running() -> View:
    view = scene(HAND_OFF.events(), 1.8)
    view.replace("queues", {"docs::fetch": {"queued": 2, "running": 4, "dead": 0}})
    return view


def broken() -> View:
    view = scene(HAND_OFF.events())
    view.replace("dead", dead_letters(2))
    return view


@fx.task("test_panel::look")
async def look(n: int) -> int:
    return n


def planned() -> View:
    return scene([], 0.0, look.for_each(range(3)).map(sum).named("not begun yet"))


def in_memory() -> View:
    view = View("", "memory")
    events = [e for e in HAND_OFF.events() if e["type"] in ("run_started", "run_ended")]
    view.apply(map(Told.of, events))
    return view


SCENES: dict[str, Callable[[], View]] = {
    "running": running,
    "broken": broken,
    "planned": planned,
    "memory": in_memory,
    "many": lambda: scene(Story(10_000, seconds=0.001).events()),
    "long": long_run,
    "refused": refused,
}


def test_each_lost_job_has_its_broken_bar_its_arrow_and_its_milliseconds(
    open_panel: OpenPanel,
) -> None:
    host = open_panel(scene(HAND_OFF.events()))
    assert host.panel.locator(".afx-bar[data-state=lost]").count() == 2
    assert host.panel.locator(".afx-move").count() == 2
    notes = host.panel.locator(".afx-note")
    assert notes.count() == 2
    for note in notes.all():
        expect(note).to_have_text(re.compile(r"^#\d+ → w2: noticed in 8\.3 ms, slot after \d+ ms$"))
    again = host.panel.locator(".afx-bar[data-again]")
    assert again.count() == 2
    expect(host.panel.locator(".afx-try", has_text="2nd")).to_have_count(2)
    expect(host.panel.locator(".afx-strip small")).to_have_text(["2nd", "2nd"])


def test_an_arrow_goes_from_where_a_bar_broke_off_to_where_the_second_one_begins(
    open_panel: OpenPanel,
) -> None:
    host = open_panel(scene(HAND_OFF.events()))
    ends = host.page.evaluate(
        """() => [...document.querySelectorAll(".afx-move")].map((path) => {
          const at = (n) => path.getPointAtLength(n * path.getTotalLength());
          return [at(0).x, at(0).y, at(1).x, at(1).y]; })"""
    )
    lost = boxes(host.panel.locator(".afx-bar[data-state=lost] path"))
    again = boxes(host.panel.locator(".afx-bar[data-again] path").nth(0))
    again += boxes(host.panel.locator(".afx-bar[data-again] path").nth(1))
    assert sorted(round(x) for x, _, _, _ in ends) == sorted(round(box[2]) for box in lost)
    for _, _, x, y in ends:
        assert any(abs(box[0] - x) < 3 and box[1] < y < box[3] for box in again)


def boxes(found: Locator) -> list[list[float]]:
    """Left, top, right and bottom of graphics, in units of the chart."""
    made: list[list[float]] = found.evaluate_all(
        "all => all.map((el) => { const b = el.getBBox();"
        " return [b.x, b.y, b.x + b.width, b.y + b.height]; })"
    )
    return made


@pytest.mark.parametrize("width", [624, 984, 1400])
@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_clipped_and_nothing_overlaps(
    open_panel: OpenPanel, shots: Shots, name: str, width: int
) -> None:
    host = open_panel(SCENES[name](), width=width)
    host.shot(shots, f"{name}-{width}.png")
    assert host.page.evaluate(OUT_OF_PLACE) == []
    notes = boxes(host.panel.locator(".afx-note"))
    bars = boxes(host.panel.locator(".afx-bar path"))
    for note in notes:
        assert not any(overlap(note, bar) for bar in bars)
        assert not any(overlap(note, other) for other in notes if other is not note)
    assert host.errors == []


OUT_OF_PLACE = """() => {
  const panel = document.querySelector(".afx"), whole = panel.getBoundingClientRect();
  const all = (which) => [...panel.querySelectorAll(which)].filter((el) => el.checkVisibility()
    && !el.closest(".afx-hidden, details:not([open]) > :not(summary)"));
  const wide = all(".afx-scroll, [role=tree]").filter((el) => el.scrollWidth > el.clientWidth + 1);
  const out = all("button, th, td, h2, h3, p, svg text, input, .afx-node").filter((el) => {
    const box = el.getBoundingClientRect();
    return box.width && (box.left < whole.left - 1 || box.right > whole.right + 1);
  });
  const small = all("button, input, summary").filter((el) => {
    const box = el.getBoundingClientRect();
    return box.height < 23.9 || box.width < 23.9;
  });
  return [...wide, ...out, ...small].map((el) => el.outerHTML.slice(0, 160));
}"""


def overlap(a: list[float], b: list[float]) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", SCENES)
def test_axe_finds_nothing(
    open_panel: OpenPanel, axe: str, shots: Shots, name: str, theme: str
) -> None:
    # What axe takes grows with all elements of a page: hundreds of rows are in the next test.
    view = long_run(4, 8) if name == "long" else SCENES[name]()
    host = open_panel(view, theme=theme)
    for summary in host.panel.locator("summary").all():
        summary.click()
    host.settle()
    host.shot(shots, f"{name}-{theme}.png")
    assert barriers(host.page, axe) == []


def test_axe_finds_nothing_in_a_tree_of_hundreds_of_rows(open_panel: OpenPanel, axe: str) -> None:
    host = open_panel(long_run(6, 39))
    assert host.panel.get_by_role("treeitem").count() == 240
    assert barriers(host.page, axe, ".afx-tree") == []


def past_of(view: View, at: float) -> dict[str, Any]:
    events = HAND_OFF.events()

    async def more(after: int) -> list[Told]:
        return [Told.of(event) for event in events[after : after + 100]]

    # Playwright has a loop of its own here; this waits for nothing and needs none.
    with pytest.raises(StopIteration) as found:
        Replay(view, more).at(at).send(None)
    diff: dict[str, Any] = found.value.value
    return diff


def test_the_past_is_asked_for_and_shown_with_actions_off(open_panel: OpenPanel, axe: str) -> None:
    view = scene(HAND_OFF.events())
    host = open_panel(view)
    slider = host.panel.get_by_role("slider", name="Moment of the run")
    slider.evaluate("(el) => { el.value = 0.7; el.dispatchEvent(new Event('input')); }")
    (asked,) = host.sent("at")
    assert asked["at"] == pytest.approx(0.7, abs=0.02)
    host.say(kind="past", viewer=asked["viewer"], at=0.7, **past_of(view, 0.7))
    host.settle()
    banner = host.panel.locator(".afx-banner")
    expect(banner).to_contain_text("This is the past: 0.70 s")
    expect(host.panel.get_by_role("heading", name="Queues now")).to_be_visible()
    expect(host.panel.locator(".afx-badge")).to_contain_text("running")
    assert host.panel.locator(".afx-bar[data-state=running]").count() == 4
    for name in ("Spawn a worker", "Kill worker w1"):
        expect(host.panel.get_by_role("button", name=name)).to_be_disabled()
    assert barriers(host.page, axe) == []
    host.panel.get_by_role("button", name="Back to live").click()
    expect(banner).to_be_hidden()
    expect(host.panel.locator(".afx-badge")).to_contain_text("done")
    expect(host.panel.get_by_role("button", name="Spawn a worker")).to_be_enabled()


def test_who_missed_a_message_asks_for_everything_once(open_panel: OpenPanel) -> None:
    events = HAND_OFF.events()
    view = scene(events, 1.0)
    host = open_panel(view)
    host.page.evaluate("window.sent.length = 0")
    version = view.snapshot()["version"]
    view.apply(map(Told.of, events[len(events) // 2 :]))
    missed = view.snapshot()["version"]
    for number in (0, 1):
        host.say(kind="diff", **{"from": missed + number, "to": missed + number + 1, "set": {}})
    (asked,) = host.sent("resync")
    assert asked["version"] == version
    expect(host.panel.locator(".afx-badge")).to_contain_text("running")
    host.say(kind="snapshot", **view.snapshot())
    expect(host.panel.locator(".afx-badge")).to_contain_text("done")
    assert len(host.sent("resync")) == 1


def test_many_messages_at_once_are_drawn_once(open_panel: OpenPanel) -> None:
    events = Story(300, seconds=0.01).events()
    view = scene(events[:10])
    host = open_panel(view)
    diffs: list[dict[str, Any]] = []
    for event in events[10:]:
        version = view.snapshot()["version"]
        view.apply([Told.of(event)])
        diffs.append({"kind": "diff", **(view.diff(version) or {})})
    host.page.evaluate(
        """async (diffs) => {
          window.drawn = 0;
          new MutationObserver(() => window.drawn++).observe(
            document.querySelector(".afx-figures"), { childList: true, subtree: true });
          for (const diff of diffs) window.say(diff);
        }""",
        diffs,
    )
    expect(host.panel.locator(".afx-badge")).to_contain_text("done")
    host.settle()
    assert len(diffs) > 900
    assert host.page.evaluate("window.drawn") < 10  # the clock goes on, four times a second
    assert host.sent("resync")[1:] == []


def test_a_click_is_sent_told_of_and_answered(open_panel: OpenPanel) -> None:
    host = open_panel(running())
    kill = host.panel.get_by_role("button", name="Kill worker w2")
    kill.click()
    (asked,) = host.sent("kill")
    assert asked["worker"] == "w2"
    expect(kill).to_have_text("Killing…")
    expect(kill).to_be_disabled()
    host.say(kind="heard", id=asked["id"])
    host.say(kind="answer", id=asked["id"], ok=False, text="w2 is gone already")
    expect(kill).to_have_text("Kill")
    said = host.panel.locator(".afx-said")
    expect(said).to_have_text("w2 is gone already")
    expect(said).to_have_class(re.compile("afx-bad"))


@pytest.mark.parametrize(
    ("name", "question", "yes", "operation"),
    [
        ("Cancel this run for good", "End this run for good?", "Cancel run", "cancel"),
        ("Discard job dead0#1", "Give it up for good?", "Discard", "discard"),
    ],
)
def test_what_would_be_lost_is_asked_about(
    open_panel: OpenPanel, name: str, question: str, yes: str, operation: str
) -> None:
    view = running()
    view.replace("dead", dead_letters())
    host = open_panel(view)
    button = host.panel.get_by_role("button", name=name)
    for answer in ("Escape", "Enter"):  # the answer that has the focus is the careful one
        button.click()
        asked = host.panel.get_by_role("group", name=question)
        expect(asked.get_by_role("button", name="Keep")).to_be_focused()
        host.page.keyboard.press(answer)
        expect(button).to_be_focused()
    assert host.sent(operation) == []
    button.click()
    asked.get_by_role("button", name=yes).click()
    assert len(host.sent(operation)) == 1


def test_a_tree_is_walked_with_arrow_keys(open_panel: OpenPanel) -> None:
    program = look.for_each(range(12)).map(sum)
    host = open_panel(scene(HAND_OFF.events(), program=program))
    tree = host.panel.get_by_role("tree")
    tree.locator("[tabindex='0']").focus()
    first = tree.get_by_role("treeitem").first
    expect(first).to_be_focused()
    expect(first).to_have_attribute("aria-expanded", "false")
    host.page.keyboard.press("ArrowRight")
    expect(first).to_have_attribute("aria-expanded", "true")
    host.settle()  # items are drawn some at a time
    host.page.keyboard.press("ArrowDown")
    focused = tree.locator(":focus")
    expect(focused).to_have_attribute("aria-label", re.compile("^#0 docs::fetch, done"))
    host.page.keyboard.press("ArrowLeft")
    expect(first).to_be_focused()
    host.page.keyboard.press("End")
    expect(focused).to_have_attribute("aria-label", re.compile("map"))
    host.page.keyboard.press("Home")
    host.page.keyboard.press("ArrowLeft")
    expect(first).to_have_attribute("aria-expanded", "false")


def test_every_control_is_reached_with_the_tab_key(open_panel: OpenPanel) -> None:
    host = open_panel(running())
    wanted = host.panel.locator("button:enabled:visible, input:visible, summary").count()
    seen: set[str] = set()
    for _ in range(60):
        host.page.keyboard.press("Tab")
        seen.add(host.page.evaluate(NAME_OF_FOCUS))
    assert len(seen - {""}) == wanted


NAME_OF_FOCUS = """() => {
  const el = document.activeElement;
  return el.matches("button, input, summary") ? el.ariaLabel || el.textContent : "";
}"""


def test_ten_thousand_items_are_a_strip_that_opens_where_it_is_clicked(
    open_panel: OpenPanel,
) -> None:
    host = open_panel(SCENES["many"]())
    strip = host.panel.locator(".afx-strip")
    assert strip.locator("span").count() == 100
    assert host.panel.locator("li[role=treeitem]").count() == 1
    strip.locator("span").nth(42).click()
    pages = [message["page"] for message in host.sent("open")]
    assert pages == [0, 84]
    host.panel.get_by_role("spinbutton", name="Number of an item").fill("9999")
    host.panel.get_by_role("button", name="Show items from there").click()
    assert host.sent("open")[-1]["page"] == 199


def test_what_tasks_print_and_raise_stays_inert(open_panel: OpenPanel) -> None:
    view = running()
    view.replace("dead", dead_letters())
    told = "\x1b[31m<img src=x onerror='window.hacked = true'>\x1b[0m"
    event = {"seq": 10_000, "at": HAND_OFF.events()[-1]["at"], "run": "r1", "type": "output"}
    view.apply([Told.of({**event, "label": told, "path": "1/2", "index": 2, "worker": "w2"})])
    view.result("<b onclick='window.hacked = true'>bold</b>")
    host = open_panel(view)
    output = host.panel.get_by_role("region", name="Output of tasks")
    expect(output).to_contain_text("<img src=x onerror='window.hacked = true'>")
    expect(host.panel).to_contain_text("<b onclick=")
    expect(host.panel).to_contain_text("<script>window.hacked = true</script>")
    assert host.panel.locator("img, script, b[onclick]").count() == 0
    assert host.page.evaluate("window.hacked") is None


def test_a_failure_that_was_caught_is_no_failure_of_the_run(
    open_panel: OpenPanel,
) -> None:
    host = open_panel(long_run())
    expect(host.panel.locator(".afx-badge")).to_contain_text("done")
    expect(host.panel.locator("li[data-state=failed]")).to_have_count(0)
    caught = host.panel.locator("li[data-state=caught]")
    expect(caught).to_have_count(10)
    expect(caught.first).to_contain_text("↪docs::parse failed, caught")
    expect(host.panel.locator(".afx-figures")).to_contain_text("1,960 steps ended")


def test_a_value_that_a_contract_refuses_is_shown_where_it_was(open_panel: OpenPanel) -> None:
    host = open_panel(refused())
    tree = host.panel.get_by_role("tree")
    tree.locator(".afx-strip span").nth(1).click()
    refusal = tree.get_by_role("treeitem", name="#1 docs::parse, failed")
    expect(refusal).to_contain_text("failed (contract) · ContractViolation(")
    expect(tree.locator("li[data-state=caught]")).to_contain_text("docs::fetch")


def test_a_run_that_no_worker_can_go_on_with_says_so(open_panel: OpenPanel) -> None:
    events = [e for e in HAND_OFF.events() if not e["type"].startswith("job_started")]
    view = scene(events, 0.005)
    view.waiting(no_worker_can=True)
    host = open_panel(view)
    expect(host.panel.locator(".afx-badge")).to_contain_text("waiting for a worker")
    expect(host.panel.locator("li[data-state=blocked]").first).to_be_visible()


def test_where_nothing_is_there_the_panel_says_what_would_be(open_panel: OpenPanel) -> None:
    host = open_panel(scene([], 0.0))
    for text in ("No worker is up", "Empty: nothing waits", "None: no job of any run is parked"):
        expect(host.panel).to_contain_text(text)
    for name in ("Workers", "Queues", "Dead letters of all runs"):
        expect(host.panel.get_by_role("table", name=name, exact=True)).to_be_hidden()


def test_a_queue_that_runs_dry_keeps_its_row_so_that_nothing_jumps(open_panel: OpenPanel) -> None:
    view = running()
    host = open_panel(view)
    chart = host.panel.locator(".afx-chart")
    before = chart.bounding_box()
    version = view.snapshot()["version"]
    view.replace("queues", {})
    host.say(kind="diff", **(view.diff(version) or {}))
    host.settle()
    queues = host.panel.get_by_role("table", name="Queues")
    expect(queues.locator("td")).to_have_text(["0", "0", "0"])
    assert chart.bounding_box() == before


def test_a_run_of_some_milliseconds_is_told_in_milliseconds(open_panel: OpenPanel) -> None:
    host = open_panel(refused())
    expect(host.panel.locator(".afx-figures li").first).to_have_text("10 ms")
    expect(host.panel.locator(".afx-log tbody td").first).to_have_text("10 ms")


def test_a_cluster_of_others_has_no_button_to_spawn(open_panel: OpenPanel) -> None:
    view = running()
    view.note(foreign=True)
    host = open_panel(view)
    expect(host.panel.get_by_role("button", name="Spawn a worker")).to_be_hidden()


def test_the_table_says_what_the_chart_says(open_panel: OpenPanel) -> None:
    host = open_panel(scene(HAND_OFF.events()))
    host.panel.get_by_text("Timeline as a table", exact=True).first.click()
    twin = host.panel.get_by_role("table", name="Timeline as a table")
    lost = twin.get_by_role("row").filter(has_text="lost")
    expect(lost).to_have_count(2)
    expect(lost.first).to_contain_text(re.compile(r"w1.*8\.3 ms.*\d+ ms.*w2"))
    expect(twin.locator("tbody tr")).to_have_count(14)


def test_events_are_filtered_by_what_is_typed(open_panel: OpenPanel) -> None:
    host = open_panel(scene(HAND_OFF.events()))
    host.panel.get_by_role("searchbox", name="Filter events").fill("lost")
    events = host.panel.get_by_role("table", name="Latest events, newest first").locator("tbody tr")
    expect(events).to_have_count(3)
    host.panel.get_by_role("searchbox").fill("no such thing")
    expect(events).to_have_count(0)
    expect(host.panel.locator(".afx-log")).to_contain_text("None of the latest")


def test_nothing_moves_for_those_who_asked_for_stillness(new_page: NewPage) -> None:
    page = new_page()
    page.emulate_media(reduced_motion="reduce")
    host = Host(page, {**running().snapshot(), "now": 1.8})
    host.settle()
    moving = """() => [...document.querySelectorAll(".afx *")].filter((el) => {
      const style = getComputedStyle(el);
      return style.animationName !== "none" || style.transitionDuration !== "0s"; }).length"""
    assert page.evaluate(moving) == 0
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(moving) > 0


def test_views_of_a_model_come_and_go(new_page: NewPage) -> None:
    page: Page = new_page()
    host = Host(page, {**running().snapshot(), "now": 1.8})
    page.evaluate("void window.mount()")
    expect(page.locator(".afx")).to_have_count(2)
    page.evaluate("window.unmount()")
    view = scene(HAND_OFF.events())
    host.say(kind="snapshot", **{**view.snapshot(), "version": 10_000})
    expect(page.locator(".afx-badge").last).to_contain_text("done")
    expect(page.locator(".afx-badge").first).to_contain_text("running")
    assert host.errors == []
