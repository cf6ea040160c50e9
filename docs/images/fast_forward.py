"""Draws docs/images/fast-forward.svg from a real run: ``python docs/images/fast_forward.py``.

A loader fills two slots, an array empties them, a thousand tiles long. What is drawn are the rows
that the run kept, the looks that it took, and the block that it jumped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from cosim.cli.bench_programs import pipeline
from cosim.machine.fast_executor import FastExecutor
from cosim.machine.looks import Looks, Sample, State
from cosim.timeline.blocks import Block

TILES = 1000
COLUMNS = ("component", "task", "start", "end")
LANES = ("loader", "array", "store")
COLOURS = ("#8fb8de", "#f2c079", "#a9d18e")
STATE_COLOURS = ("#b04a4a", "#4a7ab0", "#2f8f5b", "#8a5bb0", "#b08a2f", "#555555")
LEFT, TOP, LANE, WIDTH, HEIGHT = 70, 74, 46, 980, 300
GAP = 190  # where the jump is


def main() -> int:
    looks: list[tuple[Sample, State]] = []
    read = Looks._read

    def reading(self: Looks, *args: object) -> tuple[Sample, State]:
        looks.append(read(self, *args))  # type: ignore[arg-type]
        return looks[-1]

    Looks._read = reading  # type: ignore[method-assign]
    machine = FastExecutor(pipeline(1, 1, TILES, load=50, ragged=False), compiled=False)
    stored = machine.run()
    (block,) = machine.blocks
    rows = list(zip(*(stored[name].tolist() for name in COLUMNS), strict=True))
    seen = {sample.time: state for sample, state in looks if sample.time <= rows[block.stop][3]}
    target = Path(__file__).parent / "fast-forward.svg"
    target.write_text("\n".join(drawing(rows, seen, block)) + "\n", encoding="utf-8")
    print(f"written: {target}")
    return 0


def drawing(rows: list[tuple[int, ...]], seen: dict[int, State], block: Block) -> Iterator[str]:
    """The lines of the picture."""
    jump_from = max(seen)
    shift = block.repeats * block.shift_ps
    scale = (WIDTH - LEFT - GAP - 30) / (jump_from + rows[-1][3] - jump_from - shift)

    def x(time: int) -> float:
        """Place of a time: stored rows after the jump lie beyond the gap."""
        return LEFT + time * scale if time <= jump_from else LEFT + GAP + (time - shift) * scale

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    first, last = sorted(seen)[-2:]
    bottom = TOP + 3 * LANE
    yield rectangle(x(first), TOP - 8, x(last) - x(first), 3 * LANE + 12, "#2f8f5b", 0.13)
    yield rectangle(x(last), TOP - 8, GAP, 3 * LANE + 12, "#888888", 0.12)
    for lane, name in enumerate(LANES):
        yield text(LEFT - 10, TOP + lane * LANE + 24, name, "end")
    for component, task, start, end in rows[: block.stop]:
        yield from interval(component, task, x(start), x(end))
    for component, task, start, end in rows[block.stop :]:
        before = task - block.repeats * block.task_shift[component]
        if start - shift < jump_from:  # under way where the jump begins, and where it ends
            yield from interval(component, before, x(start - shift), x(jump_from))
        yield from interval(component, task, max(x(start), x(jump_from) + GAP), x(end))
    names = {state: "ABCDEF"[n] for n, state in enumerate(dict.fromkeys(seen.values()))}
    for time, state in sorted(seen.items()):
        colour = STATE_COLOURS["ABCDEF".index(names[state])]
        yield line(x(time), TOP - 14, x(time), bottom, colour)
        yield text(x(time), TOP - 20, names[state], colour=colour, bold=True)
    yield text(LEFT, 20, "state of the machine at the begin of every tile of the loader:", "start")
    middle = x(last) + GAP / 2
    yield text(middle, TOP + LANE + 4, f"jump over {block.repeats} periods")
    yield text(
        middle, TOP + LANE + 24, f"{block.repeats * sum(block.task_shift):,} tasks never run"
    )
    tip, y = x(last) + GAP - 16, TOP + 2 * LANE
    yield f'<path d="M{x(last) + 12} {y} H{tip}" stroke="#444" stroke-width="2"/>'
    yield f'<path d="M{tip} {y - 6} l12 6 l-12 6 z" fill="#444"/>'
    yield text(
        (x(first) + x(last)) / 2, bottom + 22,
        f"one period: {block.stop - block.first} rows, kept once", colour="#2f8f5b",
    )  # fmt: skip
    again = f"each time {block.shift_ps / 1000:g} ns and {max(block.task_shift)} tile later"
    yield text(
        (x(first) + x(last)) / 2, bottom + 40, f"\u00d7 {block.repeats + 1}, {again}",
        colour="#2f8f5b",
    )  # fmt: skip
    yield text(x(0), bottom + 22, "0", "start")
    yield text(x(rows[-1][3]), bottom + 22, f"{rows[-1][3] / 1e6:g} \u00b5s", "end")
    yield text(
        LEFT, HEIGHT - 14,
        f"{len(rows)} rows kept of {2 * TILES + 1:,}; drawn from the run by "
        "docs/images/fast_forward.py", "start", "#777777",
    )  # fmt: skip
    yield "</svg>"


def interval(component: int, task: int, begin: float, end: float) -> Iterator[str]:
    """A row of the timeline, with the number of its tile."""
    y = TOP + component * LANE
    yield rectangle(begin, y, end - begin, LANE - 12, COLOURS[component])
    if end - begin > 30:
        yield text((begin + end) / 2, y + 22, f"{task + 1}")


def rectangle(
    x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0
) -> str:
    edge = ' stroke="#555" stroke-width="0.7"' if opacity == 1.0 else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}" '
        f'fill-opacity="{opacity:g}"{edge}/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        'stroke-width="1.5" stroke-dasharray="4 3"/>'
    )


def text(
    x: float, y: float, words: str, anchor: str = "middle", colour: str = "#222222",
    bold: bool = False,
) -> str:  # fmt: skip
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{weight}>'
        f"{escape(words)}</text>"
    )


if __name__ == "__main__":
    raise SystemExit(main())
