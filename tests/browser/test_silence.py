"""A panel whose kernel does not answer, or is gone, says so."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPage
from tests.browser.host import Host
from tests.browser.scenes import HAND_OFF, scene

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_click_that_nobody_hears_is_told_of(new_page: NewPage) -> None:
    page = new_page()
    page.clock.install()
    host = Host(page, {**scene(HAND_OFF.events(), 1.8).snapshot(), "now": 1.8})
    page.clock.run_for(100)
    host.panel.get_by_role("button", name="Kill worker w2").click()
    page.clock.run_for(1_000)
    notice = host.panel.locator(".afx-notice")
    expect(notice).to_be_hidden()
    page.clock.run_for(1_500)
    expect(notice).to_contain_text("The kernel is busy: your click waits")


def test_a_kernel_that_falls_silent_is_told_of_until_it_is_heard_again(new_page: NewPage) -> None:
    page = new_page()
    page.clock.install()
    view = scene(HAND_OFF.events(), 1.8)
    view.note(live=True)
    host = Host(page, {**view.snapshot(), "now": 1.8})
    notice, figures = host.panel.locator(".afx-notice"), host.panel.locator(".afx-figures")
    page.clock.run_for(3_000)
    expect(notice).to_be_hidden()
    page.clock.run_for(60_000)
    expect(notice).to_contain_text("Nothing has come from the kernel for 8 s. If it was restarted")
    expect(figures).to_contain_text("9.80 s")  # the clock stands
    host.say(kind="diff", **{"from": 1, "to": 1, "set": {}, "drop": {}, "now": 70.0})
    page.clock.run_for(500)
    expect(notice).to_be_hidden()
    expect(figures).to_contain_text("70.")
