"""The picture: each ratio as a bar, its goal as a mark on it; and what a session costs by their number."""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmark.report import Row, number

WIDTH, LABELS, RIGHT = 960, 320, 90
LINE, BAR = 22, 12
# The bars end here, and with them what the eye can compare. Longer ones get an arrow.
LONGEST = 1.25
GREEN, RED, GREY, INK = "#2e8b57", "#c0392b", "#8795a1", "#22292f"
CURVE_HEIGHT = 220


def picture(heading: str, rows: list[Row], curves: list) -> str:
    rows = [line for line in rows if line.ratio is not None]
    bars_height = 70 + LINE * len(rows)
    height = bars_height + (CURVE_HEIGHT + 60) * math.ceil(len(curves) / 2) + 20
    body = "\n".join([*bars(heading, rows, bars_height), *all_curves(curves, bars_height + 40)])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" '
            f'fill="{INK}">\n<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n')


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


# ---- The bars

def bars(heading: str, rows: list[Row], height: int) -> Iterator[str]:
    def x(ratio: float) -> float:
        return LABELS + min(ratio, LONGEST) / LONGEST * (WIDTH - LABELS - RIGHT)

    yield text(10, 22, heading, more='font-size="11"')
    yield text(10, 42, "Martlet's part of what nginx needs: less is better. The black mark is the goal.", more='font-weight="bold"')
    for ratio in (0.25, 0.5, 0.75, 1.0):
        yield line(x(ratio), 56, x(ratio), height - 8, INK if ratio == 1 else "#dae1e7")
        yield text(x(ratio), 54, "nginx" if ratio == 1 else f"{ratio:g}", "middle", 'font-size="10"')
    for place, entry in enumerate(rows):
        y = 64 + LINE * place
        colour = {True: GREEN, False: RED, None: GREY}[entry.is_met]
        yield text(LABELS - 8, y + BAR - 2, entry.label, "end")
        yield f'<rect x="{LABELS}" y="{y}" width="{x(entry.ratio) - LABELS:.1f}" height="{BAR}" fill="{colour}"/>'
        if entry.goal and entry.goal.is_ratio:
            yield line(x(entry.goal.limit), y - 3, x(entry.goal.limit), y + BAR + 3, "black", 'stroke-width="2.5"')
        beyond = "→ " if entry.ratio > LONGEST else ""
        yield text(max(x(entry.ratio), x(entry.goal.limit if entry.goal and entry.goal.is_ratio else 0)) + 6, y + BAR - 2,
                   f"{beyond}{entry.ratio:.2f}")


# ---- The curves

def all_curves(curves: list, top: int) -> Iterator[str]:
    for place, (label, points) in enumerate(curves):
        yield from curve(label, points, 60 + place % 2 * WIDTH / 2, top + place // 2 * (CURVE_HEIGHT + 60))


def curve(label: str, points: dict[str, list[tuple[int, float]]], left: float, top: float) -> Iterator[str]:
    width, height = WIDTH / 2 - 130, CURVE_HEIGHT - 40
    counts = [count for count, _ in points["nginx"]]
    highest = max(value for series in points.values() for _, value in series) * 1.1 or 1

    def x(count: int) -> float:
        return left + math.log(count / counts[0]) / math.log(counts[-1] / counts[0]) * width

    def y(value: float) -> float:
        return top + height - max(value, 0) / highest * height

    yield text(left, top - 10, f"{label}, by the number of sessions", more='font-weight="bold"')
    yield line(left, top + height, left + width, top + height, INK)
    yield line(left, top, left, top + height, INK)
    for count in counts:
        yield text(x(count), top + height + 16, f"{count:,}", "middle", 'font-size="10"')
    for part in (0.5, 1.0):
        yield text(left - 6, y(highest * part) + 4, number(highest * part), "end", 'font-size="10"')
    for program, colour in (("nginx", GREY), ("martlet", GREEN)):
        places = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value in points[program])
        yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        last = points[program][-1]
        yield text(x(last[0]) + 6, y(last[1]) + 4, f"{program} {number(last[1])}", more=f'fill="{colour}"')
