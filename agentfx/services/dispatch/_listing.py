"""What there is to see of runs and of tasks, for users and for drivers that begin."""

from dataclasses import asdict
from operator import itemgetter

from agentfx.jobs import Route, home_of
from agentfx.services._run_rows import RunRow
from agentfx.services.dispatch._core import Core
from agentfx.services.dispatch._dead import DeadLetters
from agentfx.services.dispatch._drivers import Drivers
from agentfx.services.dispatch._messages import Around, Limit, RunName, Serves
from agentfx.services.dispatch._workers import Workers
from agentfx.wire import Json


class Listing:
    """Answers questions, and changes nothing."""

    def __init__(self, core: Core, drivers: Drivers, workers: Workers, dead: DeadLetters) -> None:
        self._core, self._drivers = core, drivers
        self._workers, self._dead = workers, dead

    async def list(self, message: Limit, caller: str | None) -> Json:
        """Recent runs, newest first."""
        rows = await self._core.store.read(lambda t: t.runs.recent(message.limit))
        waiting = self._waiting()
        return [self._listed(row, waiting) for row in rows]

    def _listed(self, run: RunRow, waiting: set[str]) -> Json:
        status = "waiting" if run.status == "running" and run.id in waiting else run.status
        driven_now = bool(run.driver) and self._drivers.is_alive(run.driver)
        hidden = ("no", "exit", "fingerprint")
        row = {name: value for name, value in asdict(run).items() if name not in hidden}
        return {**row, "status": status, "driven": driven_now}

    def _waiting(self) -> set[str]:
        """Runs that have jobs, and none that runs or that a worker could run."""
        dispatch = self._core.dispatch
        goes: dict[str, bool] = {}
        served: dict[Route, bool] = {}
        for job in dispatch.jobs.values():
            route = job.route
            if goes.get(route.run):
                continue
            if route not in served:
                served[route] = dispatch.can_serve(route.task, route.code)
            goes[route.run] = bool(job.starts) or served[route]
        return {run for run, any_goes in goes.items() if not any_goes}

    async def get(self, message: RunName, caller: str | None) -> Json:
        """One run."""
        run = await self._core.store.read(lambda t: t.runs.find(message.run))
        if run is None:
            return None
        return {**self._listed(run, self._waiting()), "exit": run.exit}

    async def around(self, message: Around, caller: str | None) -> Json:
        """What events of a run do not tell, for who asks again and again: in one answer."""
        return {
            "workers": await self._workers.list(Limit(), caller),
            "queues": await self._dead.queues(Limit(), caller),
            "dead": await self._dead.list(Limit(message.limit), caller),
            "waiting": message.run in self._waiting(),
        }

    async def unserved(self, message: Serves, caller: str | None) -> Json:
        """Those of some tasks that no worker is there for, and what the workers have."""
        core = self._core
        missing = [t for t in message.tasks if not core.dispatch.can_serve(t, message.code)]
        rows = [
            {
                "worker": core.labels.get(w.id, w.id),
                "tasks": sorted(w.tasks | w.loaded),
                "elsewhere": message.code is not None and w.home != home_of(message.code),
            }
            for w in core.dispatch.workers.values()
            if not w.foreign
        ]
        # By name: who says hello first depends on the machine.
        workers = sorted(rows, key=itemgetter("worker"))
        return {"missing": missing, "workers": workers, "settling": core.dispatch.settling}
