"""One JupyterLab and one browser for all tests here; each test has a tab of its own."""

import os
from collections.abc import Callable, Generator
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.lab import FLAGS, Lab, browser_path, jupyterlab
from tests.browser.page import SLOW_MS, Shots

NO_BROWSER = (
    "no chromium or google-chrome on PATH: `apt-get install chromium`, or name one in "
    "AGENTFX_CHROMIUM"
)
NewPage = Callable[..., Page]
expect.set_options(timeout=SLOW_MS)


@pytest.fixture(scope="package")  # while it lives, its loop keeps asynchronous tests from theirs
def browser() -> Generator[Browser]:
    path = browser_path()
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(NO_BROWSER)  # a build that looks at nothing must not look green
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Lab]:
    with jupyterlab(tmp_path_factory.mktemp("lab") / "light") as lab:
        yield lab


@pytest.fixture(scope="package")
def dark_lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Lab]:
    folder = tmp_path_factory.mktemp("lab") / "dark"
    with jupyterlab(folder, theme="JupyterLab Dark") as lab:
        yield lab


@pytest.fixture
def new_page(browser: Browser) -> Generator[NewPage]:
    """Opens tabs of a width, with nothing remembered; they are closed after the test."""
    contexts: list[BrowserContext] = []

    def make(width: int = 1360, height: int = 1000) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: NewPage, lab: Lab) -> Generator[Page]:
    yield new_page()
    lab.end_kernels()


@pytest.fixture(scope="session")
def shots() -> Shots:
    """Where pictures go, AGENTFX_SHOTS; without it none is taken, since nobody looks."""
    given = os.environ.get("AGENTFX_SHOTS")
    return Path(given) if given else None


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which finds what keeps people from using a page."""
    return (files("axe_playwright_python") / "axe.min.js").read_text()
