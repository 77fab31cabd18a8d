"""A notebook in a browser, as a user's hands and eyes."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab

IDLE = """() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
  === 'idle'"""
COMMAND = "name => window.jupyterapp.commands.execute(name)"
ACTIVATE = """index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"""
OPEN_MS = 60_000
SLOW_MS = 60_000
"""Waits are long: the machine may be busy. What is promised is measured apart from them."""


Shots = Path | None
"""Where pictures go, if anywhere; Playwright makes the folder."""


class NotebookPage:
    """One notebook in one tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, address: str) -> None:
        """Open a notebook, and wait for its kernel."""
        self.page.goto(address)
        self.page.wait_for_function(IDLE, timeout=OPEN_MS)

    def command(self, name: str) -> None:
        """Run a command of JupyterLab, without waiting for its end."""
        self.page.evaluate(f"name => {{ ({COMMAND})(name); }}", name)

    def run_all(self) -> None:
        """Run all cells."""
        self.command("notebook:run-all-cells")

    def run(self, index: int) -> None:
        """Run a cell."""
        self.page.evaluate(ACTIVATE, index)
        self.command("notebook:run-cell")

    def prompt(self, index: int) -> Locator:
        """The prompt of a cell: `[*]:` while it runs."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-InputPrompt")

    def output(self, index: int) -> Locator:
        """The output of a cell."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index).locator(".jp-OutputArea")

    def until_done(self, index: int) -> None:
        """Wait until a cell has run."""
        expect(self.prompt(index)).to_have_text(re.compile(r"\[\d+\]"), timeout=SLOW_MS)

    def panel(self, index: int) -> Locator:
        """The panel in the output of a cell."""
        return self.output(index).locator(".afx")

    def worker(self, index: int, label: str) -> Locator:
        """The row of a worker in a panel."""
        return self.panel(index).locator(f"tr[data-worker={label}]")

    def is_running(self, index: int) -> bool:
        """Whether a cell shows `[*]`."""
        return "*" in self.prompt(index).inner_text()

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate(
            "async () => { await window.jupyterapp.commands.execute('docmanager:save'); }"
        )
        expect(self.page.locator(".jp-mod-current.jp-mod-dirty")).to_have_count(0)

    def shot(self, shots: Shots, name: str, index: int | None = None) -> None:
        """Take a picture, of the page or of a cell's output."""
        if shots is None:
            return
        if index is None:
            self.page.screenshot(path=shots / name)
        else:
            self.panel(index).screenshot(path=shots / name)


def barriers(page: Page, axe: str, within: str = ".afx") -> list[str]:
    """What axe-core finds in a part of a page: the rule, and where it is broken."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(
        """async (within) => (await axe.run(within, { resultTypes: ["violations"] }))
          .violations.flatMap(
            (rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)}`))""",
        within,
    )
    return found


def open_in(page: Page, lab: Lab, name: str, *cells: str) -> NotebookPage:
    """Write a notebook and open it."""
    opened = NotebookPage(page)
    opened.open(lab.notebook(name, *cells))
    return opened
