"""What the panel costs, and how quick it answers: in JupyterLab, in a kernel, and on a page.

Needs Chromium, as the browser tests do; the machine should have nothing else to do.
"""

import json
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from agentfx.jobs import Told
from agentfx.notebook._view import View
from bench.figures import Figure, median, percentile
from tests.browser.host import Host
from tests.browser.lab import FLAGS, Lab, browser_path, jupyterlab
from tests.browser.page import NotebookPage
from tests.notebook.kernel import Kernel, started_kernel

Cost: TypeAlias = tuple[float, float]
"""Seconds, and seconds of CPU time."""

CLICKS = 7
ROUNDS = 21
"""So many that their medians tell 2 % from 7: two runs of the same program differ by 10 %."""
JOBS = 1_000
RATE_JOBS = 5_000
"""So many that it is their rate that counts, not what begins and ends a run."""
STEPS = 2_000
ITEMS = 10_000
TICKS = 90
TICK_MS = 66
TASK_MS = 1.0
"""Shorter tasks are not counted: with them nearly any percentile is nearly nothing."""
TRACED = ["devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel"]

SETUP = "%load_ext agentfx\nimport agentfx as fx, asyncio, time"
TASK = """
@fx.task("bench::short")
async def short(n: int) -> int:
    await asyncio.sleep({seconds})
    return n
program = short.for_each(range({jobs}), concurrency=16)
"""
CLICK = """async (label) => {
  const row = document.querySelector(`.afx tr[data-worker=${label}]`);
  const changed = new Promise((done) => new MutationObserver(() => {
    if (row.dataset.state === "killed") requestAnimationFrame(() => done(performance.now()));
  }).observe(row, { attributes: true }));
  const begin = performance.now();
  row.querySelector("button").click();
  return (await changed) - begin;
}"""
PLAY = """async (ms) => {
  for (const diff of window.diffs) {
    window.say(JSON.parse(diff));
    await new Promise((next) => setTimeout(next, ms));
  }
}"""


def figures() -> list[Figure]:
    """A click's way, the run's rate with and without the panel, the page's tasks."""
    path = browser_path()
    if path is None:
        raise SystemExit("the panel is measured in a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            return [_click(browser), *_tasks(browser), *_shares()]
        finally:
            browser.close()


# A click in JupyterLab, from the button to the changed row


def _click(browser: Browser) -> Figure:
    with _lab() as lab:
        notebook = NotebookPage(browser.new_page(viewport={"width": 1360, "height": 1000}))
        task = TASK.format(seconds=0.2, jobs=JOBS)
        up = f"%agentfx up --workers {CLICKS + 2}"
        notebook.open(lab.notebook("click", SETUP, up, task, "%run_dist program -o result"))
        for index in range(3):
            notebook.run(index)
            notebook.until_done(index)
        notebook.run(3)
        times = [_killed(notebook, f"w{number}") for number in range(1, CLICKS + 1)]
        assert notebook.is_running(3), "the run had ended before the last click"
        lab.end_kernels()
    spread = (min(times), max(times))
    return Figure("click to changed row, 1,000 jobs running", median(times), "ms", None, 150.0,
                  spread=spread)  # fmt: skip


def _killed(notebook: NotebookPage, label: str) -> float:
    notebook.worker(3, label).get_by_role("button", name=f"Kill worker {label}").wait_for()
    took: float = notebook.page.evaluate(CLICK, label)
    return took


@contextmanager
def _lab() -> Generator[Lab]:
    with (
        tempfile.TemporaryDirectory(prefix="agentfx-bench-") as work,
        jupyterlab(Path(work) / "lab") as lab,
    ):
        yield lab


# A run's rate with the panel, and without it, in turn

WATCHED = "%run_dist program -o result"
BARE = "result = await fx.run_dist(program, backend=the_kit().engine_in_use)"
"""On the same connection: to make one is no part of what the panel costs."""


def _shares() -> list[Figure]:
    """What the panel adds to a run's time, and to the CPU time of all who take part.

    The second is steady on a machine that has other things to do as well.
    """
    with (
        tempfile.TemporaryDirectory(prefix="agentfx-bench-") as folder,
        started_kernel(Path(folder)) as kernel,
    ):
        kernel.run(SETUP)
        kernel.run("%agentfx up")
        kernel.run(TASK.format(seconds=0, jobs=RATE_JOBS))
        kernel.run("from agentfx.notebook._kit import the_kit")
        for line in (WATCHED, BARE):  # the first one starts what the others find
            _cost(kernel, line, Path(folder))
        pairs = [_pair(kernel, Path(folder), watched_first=n % 2 == 0) for n in range(ROUNDS)]
        kernel.run("%agentfx down")
    names = ("the panel's share of a run's time", "the panel's share of a run's CPU time")
    return [
        _share(name, [(shown[n], bare[n]) for shown, bare in pairs]) for n, name in enumerate(names)
    ]


def _pair(kernel: Kernel, folder: Path, *, watched_first: bool) -> tuple[Cost, Cost]:
    """Both in turn; neither always comes after the other."""
    if watched_first:
        shown = _cost(kernel, WATCHED, folder)
        return shown, _cost(kernel, BARE, folder)
    bare = _cost(kernel, BARE, folder)
    return _cost(kernel, WATCHED, folder), bare


def _share(name: str, pairs: list[tuple[float, float]]) -> Figure:
    costs = [(shown / bare - 1) * 100 for shown, bare in pairs]
    shown, bare = (median(values) for values in zip(*pairs, strict=True))
    return Figure(name, (shown / bare - 1) * 100, "%", None, 5.0, spread=(min(costs), max(costs)))


def _cost(kernel: Kernel, line: str, folder: Path) -> Cost:
    """Seconds that a run takes, and CPU seconds of the kernel, the engine and the workers."""
    before = _cpu_seconds(folder)
    kernel.run(f"begun = time.perf_counter()\n{line}\ntook = time.perf_counter() - begun")
    spent = _cpu_seconds(folder) - before
    assert kernel.value("len(result.value)") == str(RATE_JOBS)
    return float(kernel.value("took")), spent


def _cpu_seconds(folder: Path) -> float:
    """Of all processes that work in a folder."""
    spent = 0.0
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()) == folder.resolve():
                times = process.cpu_times()
                spent += times.user + times.system
    return spent


# Tasks of the page's main thread, with a tree of 2,000 nodes and 10,000 jobs


def _tasks(browser: Browser) -> list[Figure]:
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    view = View("r1", "dist")
    events = _events()
    view.apply(islice(events, 10))
    host = Host(page, {**view.snapshot(), "now": 0.0})
    host.settle()
    diffs: list[dict[str, Any]] = []
    version = view.snapshot()["version"]
    size = (4 * ITEMS + STEPS) // TICKS + 1
    for tick in range(TICKS):
        view.apply(islice(events, size))
        diff = view.diff(version)
        if diff is not None:
            version = diff["to"]
            diffs.append({"kind": "diff", **diff, "now": tick * TICK_MS / 1000})
    page.evaluate("diffs => { window.diffs = diffs; }", [json.dumps(diff) for diff in diffs])
    durations = _traced(browser, page, lambda: page.evaluate(PLAY, TICK_MS))
    shown = page.locator("li[role=treeitem]").count()
    assert shown >= STEPS, f"{shown} nodes on show"
    return [
        Figure("page with 2,000 nodes, 10,000 jobs: tasks, p95", percentile(durations, 95), "ms",
               None, 50.0, spread=(min(durations), max(durations))),
    ]  # fmt: skip


def _events() -> Iterator[Told]:
    """A fan-out of many items on two workers, and as many steps beside it."""
    rows: list[dict[str, Any]] = [
        {"type": "worker_joined", "worker": label, "run": ""} for label in ("w1", "w2")
    ]
    rows.append({"type": "run_started"})
    rows.append({"type": "step_started", "path": "1", "task": "docs::fetch", "count": ITEMS})
    for index in range(ITEMS):
        job = {
            "job": f"{index}#1", "path": f"1/{index}", "index": index, "task": "docs::fetch",
            "attempt": 1,
        }  # fmt: skip
        where = {"worker": f"w{index % 2 + 1}", "delivery": 1}
        rows.append({"type": "job_queued", **job})
        rows.append({"type": "job_started", **job, **where})
        rows.append({"type": "job_done", **job, **where, "ms": 1.0})
        if index % (ITEMS // STEPS) == 0:
            number = 2 + index // (ITEMS // STEPS)
            rows.append({"type": "step_done", "path": str(number), "label": f"step {number}"})
    for seq, row in enumerate(rows, 1):
        at = 1e9 + seq * TICKS * TICK_MS / 1000 / len(rows)
        yield Told.of({"run": "r1", "seq": seq, "at": at, **row})


def _traced(browser: Browser, page: Page, work: Callable[[], object]) -> list[float]:
    """CPU time of each task of the page's main thread while some work was done, in milliseconds.

    On a quiet machine that is how long it took; on a busy one the wait for a core is left out.
    """
    browser.start_tracing(page=page, categories=TRACED)
    work()
    events = json.loads(browser.stop_tracing())["traceEvents"]
    main = {
        (e["pid"], e["tid"])
        for e in events
        if e["name"] == "thread_name" and e["args"]["name"] == "CrRendererMain"
    }
    found = [
        e["tdur"] / 1000
        for e in events
        if e["name"] == "RunTask" and (e["pid"], e["tid"]) in main and "tdur" in e
    ]
    return [ms for ms in found if ms >= TASK_MS]
