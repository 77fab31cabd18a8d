"""What happens to jobs that a session owns, in the transaction that records it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from agentfx.jobs import Job, ghost, result_of
from agentfx.services._session_rows import CallRow, SessionRow
from agentfx.services._store import Transaction
from agentfx.services.sessions._log import After, Log
from agentfx.services.sessions._messages import NewEvent


class SessionJobs:
    """Implements `JobOwner`: starts and outcomes of session jobs go into the log.

    Args:
        wall: The time.
        carry_out: Tells what follows from a committed transaction.
    """

    def __init__(
        self, wall: Callable[[], float], carry_out: Callable[[Sequence[After]], None]
    ) -> None:
        self._wall, self._carry_out = wall, carry_out
        self.tools: set[str] = set()
        self._news: dict[str, str] = {}

    def records_start(self, job: str) -> bool:
        """A tool's start is in the log before the tool runs; see `JobOwner`."""
        return job in self.tools

    def tell(self, job: str, text: str) -> None:
        """A wake job's input, with what is new in the log: so its step need not ask for it."""
        self._news[job] = text

    def input_of(self, job: Job) -> str:
        """See `JobOwner.input_of`; told once, since another start comes later."""
        return self._news.pop(job.id, job.input)

    def started(self, t: Transaction, job: str, worker: str, delivery: int) -> After | None:
        """See `JobOwner.started`."""
        call = t.sessions.call_of_job(job)
        if call is None or call.state == "closed":
            return None
        log = Log(t, t.sessions.by_no(call.session_no), self._wall())
        t.sessions.set_call(replace(call, state="started"))
        body = {"call": call.call, "task": call.tool, "delivery": delivery}
        log.add(worker, [NewEvent("tool_started", body, f"start/{call.call}/{delivery}")])
        return log.save()

    def settled(self, t: Transaction, job: str, outcome: str, worker: str) -> After | None:
        """See `JobOwner.settled`."""
        call = t.sessions.call_of_job(job)
        if call is not None:
            return self._call_ended(t, call, outcome, worker)
        session = t.sessions.by_wake(job)
        return None if session is None else self._step_ended(t, session, outcome)

    def _call_ended(self, t: Transaction, call: CallRow, outcome: str, worker: str) -> After | None:
        log = Log(t, t.sessions.by_no(call.session_no), self._wall())
        if not log.close_call(call, result_of(outcome), worker, "tool"):
            return None
        log.wake()
        return log.save()

    def _step_ended(self, t: Transaction, session: SessionRow, outcome: str) -> After:
        """A step is over, and no append of it has ended its wake job."""
        log = Log(t, session, self._wall())
        result = result_of(outcome)
        idle = session.head == session.wake_head
        log.row = replace(session, wake=None)
        if result.is_error or (idle and log.wants_step):
            # Waking it again would fail again: the turn ends, and a new message starts another.
            error = result.content if result.is_error else "the step came to nothing"
            stimulus = log.pulse.stimulus
            event = NewEvent("step_failed", {"error": error}, reacting_to=stimulus)
            log.add("services", [event])
            log.close_open_calls("The turn failed.", "services", started_too=False)
        log.wake()
        return log.save()

    def committed(self, afters: Sequence[After]) -> None:
        """See `JobOwner.committed`."""
        self._carry_out(afters)


def overdue_result(call: CallRow) -> tuple[str, bool]:
    """What the model reads of a call that ran into its deadline."""
    waited = "No approval came in time." if call.state == "held" else "No result came in time."
    result = ghost(started=call.state == "started", why=waited)
    return result.content, result.is_error
