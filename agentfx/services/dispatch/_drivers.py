"""Who drives which run, who waits for it, and who was not heard of for too long."""

from agentfx.services._run_rows import RunRow
from agentfx.services.dispatch._core import Core, Driver, LiveRun, driver_id
from agentfx.services.dispatch._messages import Driver as DriverName
from agentfx.wire import Json

SILENT_SECONDS = 5.0
"""A driver that was not heard of for so long no longer holds its runs."""


class Drivers:
    """The drivers, as far as they are here or were a moment ago."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def live(self, run: RunRow) -> LiveRun:
        """A run that somebody drives or waits for; known from here on."""
        known = self._core.runs.get(run.no)
        if known is None:
            known = LiveRun(run.no, run.id, run.epoch, run.driver)
            self._core.runs[run.no] = known
        return known

    def live_named(self, run: str) -> LiveRun | None:
        """The run of an id, if somebody drives it or waits for it."""
        return next((live for live in self._core.runs.values() if live.id == run), None)

    def drive(self, run: RunRow, driver: str) -> None:
        """A driver has a run from here on; the former one is told."""
        live = self.live(run)
        former, live.epoch, live.driver = live.driver, run.epoch, driver
        if former and former != driver:
            if former in self._core.drivers:
                self._core.drivers[former].runs.discard(run.no)
            self._core.to_drivers.add(driver_id(former), "superseded", [run.id, run.epoch])
        self._core.drivers[driver].runs.add(run.no)

    def heard(self, driver: str, link: str | None) -> None:
        """A driver gave a sign of life."""
        now = self._core.clock.monotonic()
        known = self._core.drivers.get(driver)
        if known is None:
            self._core.drivers[driver] = Driver(driver, link, now)
        else:
            known.heard_at, known.link = now, link or known.link

    def is_alive(self, driver: str) -> bool:
        """Whether a driver is linked, and was heard of a moment ago."""
        known = self._core.drivers.get(driver)
        if known is None or known.link is None:
            return False
        return self._core.clock.monotonic() - known.heard_at <= SILENT_SECONDS

    async def alive(self, message: DriverName, caller: str | None) -> Json:
        """A driver's sign of life."""
        self.heard(message.driver, caller)

    def tell_end(self, run: RunRow) -> None:
        """A run has ended: tell whoever drives it or waits for it."""
        live = self._core.runs.pop(run.no, None)
        if live is None:
            return
        for driver in {live.driver, *live.watchers} - {""}:
            self._core.to_drivers.add(driver_id(driver), "ended", [run.id, run.status, run.exit])
        for known in self._core.drivers.values():
            known.runs.discard(run.no)

    def leave(self, run_no: int, epoch: int) -> None:
        """The driver of an epoch no longer drives a run; a later one is not touched."""
        live = self._core.runs.get(run_no)
        if live is None or live.epoch != epoch:
            return
        del self._core.runs[run_no]
        self._release_watchers(live)

    def _release_watchers(self, live: LiveRun) -> None:
        """Whoever waits for the result may go on with the run."""
        for watcher in live.watchers:
            self._core.to_drivers.add(driver_id(watcher), "released", live.id)
        live.watchers.clear()

    def left(self, link: str) -> None:
        """A connection closed; if a driver had it, others may go on with its runs."""
        for driver in [d for d in self._core.drivers.values() if d.link == link]:
            del self._core.drivers[driver.id]
            for run_no in driver.runs:
                if run_no in self._core.runs:
                    self.leave(run_no, self._core.runs[run_no].epoch)

    def look_after(self) -> None:
        """Who waits for a run of a driver that is silent may go on with it."""
        for driver in self._core.drivers.values():
            if self.is_alive(driver.id):
                continue
            for live in [self._core.runs.get(no) for no in driver.runs]:
                if live is not None and live.driver == driver.id:
                    self._release_watchers(live)
