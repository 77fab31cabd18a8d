"""One JupyterLab and one browser for all tests here; each test has a tab of its own."""

import os
import shutil
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.lab import FLAGS, Lab, browser_path, jupyterlab

NO_BROWSER = (
    "no chromium or google-chrome on PATH: `apt-get install chromium`, or name one in "
    "AGENTFX_CHROMIUM"
)
NewPage = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    path = browser_path()
    if path is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def lab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Generator[Lab]:
    with jupyterlab(tmp_path_factory.mktemp("lab") / "light") as lab:
        yield lab


@pytest.fixture(scope="session")
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
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: AGENTFX_SHOTS, else somewhere that nobody looks."""
    given = os.environ.get("AGENTFX_SHOTS")
    return Path(given) if given else tmp_path_factory.mktemp("shots")


@pytest.fixture(scope="session")
def axe(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of axe-core, which finds what keeps people from using a page."""
    return node_package(pytestconfig, tmp_path_factory, "axe-core") / "axe.min.js"


def node_package(config: pytest.Config, temporary: pytest.TempPathFactory, name: str) -> Path:
    """A package of npm, installed once into pytest's cache; skips where that cannot be."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"npm is not installed: {name} cannot be had")
    cache: pytest.Cache | None = getattr(config, "cache", None)
    folder = temporary.mktemp(name) if cache is None else cache.mkdir(name)
    found = folder / "node_modules" / name
    if not found.exists():
        (folder / "package.json").write_text('{"private": true}')
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", name]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=100)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm cannot install {name}: {error}")
    return found
