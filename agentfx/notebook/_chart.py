"""The timeline of a run in letters, for whoever has no panel: a terminal, a saved notebook."""

from collections.abc import Iterator
from math import floor, log10

from agentfx.notebook._tables import Row, Snapshot
from agentfx.notebook._words import ordinal, plural, rows_of, run_of, seconds, word

COLUMNS = 84
MOST_LANES = 40
MOST_TICKS = 6
_CROSS = "\N{BOX DRAWINGS LIGHT DIAGONAL CROSS}"
_ENDS = {"lost": _CROSS, "failed": "✗", "dead": "✗", "running": "▷"}


def chart_lines(snapshot: Snapshot) -> list[str]:
    """A line for each slot of each worker, over a line of seconds; none without bars.

    A bar that breaks off is dotted and ends in a cross.
    """
    bars = [row for _, row in rows_of(snapshot, "bars")]
    if not bars:
        return []
    end = max(max(row.get("end", row["begin"]) for row in bars), run_of(snapshot).get("took", 0.0))
    lanes: dict[tuple[str, int], list[Row]] = {}
    for row in bars:
        lanes.setdefault((row["worker"], row["lane"]), []).append(row)
    fates = _fates(snapshot)
    lines = list(_lanes(lanes, fates, max(end, 1e-3)))
    margin = max(len(name) for name, _ in lines) + 2
    hidden = len(lines) - MOST_LANES
    shown = [f"{name:<{margin}}{text}".rstrip() for name, text in lines[:MOST_LANES]]
    if hidden > 0:
        shown.append(f"{'':<{margin}}and {plural(hidden, 'more slot')}")
    return [*shown, f"{'':<{margin}}{_axis(max(end, 1e-3))}"]


def _lanes(
    lanes: dict[tuple[str, int], list[Row]], fates: dict[str, str], end: float
) -> Iterator[tuple[str, str]]:
    for worker, lane in sorted(lanes, key=lambda key: (len(key[0]), key)):
        text = [" "] * COLUMNS
        for row in sorted(lanes[worker, lane], key=lambda row: row["begin"]):
            begin = min(floor(row["begin"] / end * COLUMNS), COLUMNS - 1)
            stop = max(floor(row.get("end", end) / end * COLUMNS), begin + 1)
            text[begin:stop] = _bar(row, stop - begin)
        line = "".join(text).rstrip()
        if lane == 0 and worker in fates:
            line += f"  {fates[worker]}"
        yield ("" if lane else "here" if worker == "memory" else worker), line


def _bar(row: Row, width: int) -> str:
    fill = "╌" if row["state"] == "lost" else "─"
    last = _ENDS.get(row["state"], "┤")
    if width == 1:
        return last if last != "┤" else "│"
    return f"├{_label(row, width - 2):{fill}<{width - 2}}{last}"


def _label(row: Row, room: int) -> str:
    if row.get("jobs", 1) > 1:
        texts = [plural(row["jobs"], "job"), str(row["jobs"])]
    else:
        name = f"#{row['index']}" if "index" in row else str(row.get("label") or row.get("task"))
        again = f" {ordinal(row['tries'])}" if row.get("tries", 1) > 1 else ""
        texts = [f"{name}{again}", name if "index" in row else ""]
    return next((text for text in texts if len(text) <= room), "")


def _fates(snapshot: Snapshot) -> dict[str, str]:
    """What became of workers that are gone."""
    states = {name: row["state"] for name, row in rows_of(snapshot, "workers")}
    return {
        mark["worker"]: f"{word(states.get(mark['worker'], 'lost'))} at {seconds(mark['at'])}"
        for _, mark in rows_of(snapshot, "marks")
        if mark["kind"] in ("worker_lost", "worker_left")
    }


def _axis(end: float) -> str:
    unit = 10.0 ** floor(log10(end / MOST_TICKS))
    step = next(n * unit for n in (1, 2, 5, 10) if n * unit * MOST_TICKS >= end)
    line = ""
    for tick in range(floor(end / step + 1e-9) + 1):
        at = floor(tick * step / end * COLUMNS)
        text = f"{tick * step:.3g} s"
        if at + len(text) <= COLUMNS + 2:
            line = f"{line:<{at}}{text}"
    return line
