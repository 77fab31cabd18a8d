"""Random logs, as the services would have written them, with every request that was made."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from hypothesis import strategies as st

from agentfx.harness._event import LogEvent
from agentfx.harness._model import Reply, Usage
from agentfx.harness._policy import Limits, Window, cut_at
from agentfx.harness._request import Request
from agentfx.harness._transcript import Transcript
from agentfx.harness._turn import turn_of
from agentfx.jobs import Pulse, ghost, needs_step

TOOLS = [
    {
        "name": name, "id": name.replace("__", "::"), "approval": False, "limit_seconds": 60.0,
        "approval_seconds": 60.0, "code": None, "at_most_once": False, "timeout_seconds": 60.0,
        "spec": {"name": name, "description": "", "input_schema": {"type": "object"}},
    }
    for name in ("math__add", "math__mul")
]  # fmt: skip


@dataclass
class Asked:
    """A request that was made: after which event, and between which cuts."""

    request: Request
    upto: int
    after: int
    cuts: int
    continues: bool


@dataclass
class World:
    """A session, its services and its model in one, driven by chance."""

    chance: Random
    window: Window = field(default_factory=lambda: Window(tokens=400))
    events: list[LogEvent] = field(default_factory=list[LogEvent])
    asked: list[Asked] = field(default_factory=list[Asked])
    state: Transcript = field(default_factory=Transcript)
    open: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    epoch: int = 1
    cuts: int = 0
    ids: int = 0

    def add(self, kind: str, body: dict[str, Any], **more: Any) -> LogEvent:
        event = LogEvent(
            len(self.events) + 1, 1000.0 + len(self.events), "w1", self.epoch, kind, body, **more
        )
        self.events.append(event)
        self.state.add([event])
        return event

    def start(self) -> None:
        body = {
            "agent": "a", "system": self.chance.choice(["", "Be brief."]), "tools": TOOLS,
            "model": {"name": "m"},
        }  # fmt: skip
        self.add("session_started", body)

    def message(self) -> None:
        if self.chance.random() < 0.5:
            self.epoch += 1
        words = words_of(self.chance, 40)
        self.add("user_message", {"content": words}, stimulus=True)

    def result(self) -> None:
        if not self.open:
            return
        call = self.chance.choice(sorted(self.open))
        asked = self.open.pop(call)
        kind = self.chance.choice(["ok", "error", "ghost"])
        content, is_error = "42", kind != "ok"
        if kind == "ghost":
            content = ghost(started=(self.chance.random() < 0.5), why="Lost.").content
        body = {**asked, "content": content, "is_error": is_error, "by": "tool"}
        self.add("tool_result", body, stimulus=True)

    def step(self) -> None:
        state = self.state
        pulse = Pulse(state.stimulus, state.stimulus, state.reacted, 0)
        if not needs_step(pulse, "each"):
            return
        place = cut_at(state, self.window)
        if place is not None:
            self.add("cut", {"from": place, "size": state.size})
            self.cuts += 1
        upto = state.stimulus
        request = state.request(upto)
        continues = state.pauses > 0
        self.asked.append(Asked(request, upto, len(self.events), self.cuts, continues))
        call = self.add("model_call", {"sent": upto, "request": request.digest})
        for _ in range(self.chance.randint(0, 2)):  # meanwhile
            self.chance.choice([self.message, self.result])()
        self.answer(upto, str(call.seq))

    def answer(self, upto: int, attempt: str) -> None:
        fate = self.chance.choice(["reply"] * 6 + ["killed", "error", "overtaken"])
        if fate == "error":
            self.add("model_error", {"class": "server", "retry_in": 1.0})
        if fate != "reply":
            return
        stop, content = answer_of(self)
        turn = turn_of(Reply(tuple(content), stop, Usage()), self.state, upto, attempt, Limits())
        for event in turn.events:
            self.add(
                event["kind"], event["body"], stimulus=event.get("stimulus", False),
                reacting_to=event.get("reacting_to"),
            )  # fmt: skip
        for job in turn.calls:
            self.open[job["call"]] = {
                "call": job["call"],
                **{n: job["request"][n] for n in ("id", "name", "input")},
            }

    def change_model(self) -> None:
        self.add("model_changed", {"model": {"name": "other"}})


def words_of(chance: Random, most: int) -> str:
    """A text, maybe empty or blank, of any characters that have a JSON form."""
    return "".join(
        chance.choice('ab \n\u00e9\u4e2d\U0001f600"\\') for _ in range(chance.randint(0, most))
    )


def answer_of(world: World) -> tuple[str, list[dict[str, Any]]]:
    """A stop reason and closed blocks, with thinking as models that think have it."""
    chance = world.chance
    content: list[dict[str, Any]] = []
    if chance.random() < 0.5:
        world.ids += 1
        thought = {"type": "thinking", "thinking": words_of(chance, 10)}
        content.append({**thought, "signature": f"s{world.ids}"})
    if chance.random() < 0.3:
        content.append({"type": "redacted_thinking", "data": "x"})
    if chance.random() < 0.5:
        content.append({"type": "text", "text": words_of(chance, 60) or "."})
    for _ in range(chance.randint(0, 3)):
        world.ids += 1
        name = chance.choice(["math__add", "math__mul", "nobody__knows"])
        call = {"type": "tool_use", "id": f"toolu_{world.ids}", "name": name}
        content.append({**call, "input": {"a": chance.randint(0, 2)}})
    calls = any(block["type"] == "tool_use" for block in content)
    stops = ["tool_use", "max_tokens", "odd"] if calls else ["end_turn", "max_tokens", "odd"]
    if content and not calls:
        stops.append("pause_turn")
    return chance.choice(stops), content


def world_of(seed: int, most: int = 25) -> World:
    """A session with a history."""
    world = World(Random(seed))  # noqa: S311
    world.start()
    world.message()
    acts = [world.step] * 4 + [world.result] * 3 + [world.message, world.change_model]
    for _ in range(world.chance.randint(1, most)):
        world.chance.choice(acts)()
    world.step()
    return world


# By seed: a log of this length has too many choices for hypothesis to shrink in time.
seeds: st.SearchStrategy[int] = st.integers(0, 10**9)
