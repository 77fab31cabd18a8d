"""The smallest host of a widget: a page, the panel's own files, and a model that a test speaks for.

What it stands for is anywidget's interface of a model: `get`, `send`, `on`, `off`. Notebooks in a
real JupyterLab are in the other tests; here is what they cannot do, such as losing a message.
"""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

import agentfx_widgets
from tests.browser.page import Shots

_FILES = Path(agentfx_widgets.__file__).parent
_THEMES = {
    "light": ("true", "#fff", "rgba(0,0,0,.87)", "#757575"),
    "dark": ("false", "#111111", "rgba(255,255,255,1)", "#bdbdbd"),
}
_PAGE = """<!doctype html><html lang="en"><head><title>agentfx panel</title><style>{css}</style>
<style>body {{ margin: 0; background: {background};
  --jp-layout-color0: {background}; --jp-ui-font-color1: {colour};
  --jp-ui-font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif;
  --jp-code-font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace }}
  main {{ padding: 12px }}</style></head>
<body data-jp-theme-light="{light}"><main><h1 hidden>Panel</h1></main></body></html>"""
_START = """async ([source, state]) => {
  const heard = {};
  window.sent = [];
  window.model = {
    state,
    get: () => window.model.state,
    send: (message) => window.sent.push(message),
    on: (name, listener) => (heard[name] ??= []).push(listener),
    off: (name, gone) => { heard[name] = (heard[name] ?? []).filter((one) => one !== gone); },
  };
  window.say = (message) => { for (const f of heard["msg:custom"] ?? []) f(message); };
  window.long = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.long.push(entry.duration);
  }).observe({ type: "longtask" });
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const panel = (await import(url)).default();
  panel.initialize({ model: window.model });
  window.mount = () => {
    const el = document.createElement("div");
    document.querySelector("main").append(el);
    return panel.render({ model: window.model, el });
  };
  window.unmount = window.mount();
}"""


class Host:
    """A panel in a page of its own.

    Args:
        page: A tab.
        snapshot: What the panel begins with.
        theme: `light` or `dark`, as JupyterLab tells it.
    """

    def __init__(self, page: Page, snapshot: dict[str, Any], *, theme: str = "light") -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        light, background, colour, _ = _THEMES[theme]
        css = (_FILES / "panel.css").read_text()
        content = _PAGE.format(css=css, background=background, colour=colour, light=light)
        page.set_content(content)
        page.evaluate(_START, [(_FILES / "panel.js").read_text(), snapshot])

    @property
    def panel(self) -> Locator:
        """The panel."""
        return self.page.locator(".afx").first

    def say(self, **message: Any) -> None:
        """Send a message from the kernel."""
        self.page.evaluate("message => window.say(JSON.parse(message))", json.dumps(message))

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """What the panel sent to the kernel."""
        found: list[dict[str, Any]] = self.page.evaluate("window.sent")
        return [message for message in found if message["op"] == operation]

    def settle(self) -> None:
        """Wait until everything that was said is drawn."""
        self.page.wait_for_function("document.querySelector('.afx').dataset.drawn === ''")

    def shot(self, shots: Shots, name: str) -> None:
        """Take a picture of all of the page."""
        if shots is not None:
            self.page.screenshot(path=shots / name, full_page=True)
