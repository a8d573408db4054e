"""The picture: each ratio as a bar, its goal as a mark on it; and what a session costs by their number."""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from benchmark.report import Curve, Row, number

WIDTH, LABELS, RIGHT = 960, 320, 90
LINE, BAR = 22, 12
# The bars end here, and with them what the eye can compare. Longer ones get an arrow.
LONGEST = 1.25
CURVE_HEIGHT = 280
GREEN, RED, GREY, INK, GRID = "#2e8b57", "#c0392b", "#8795a1", "#22292f", "#dae1e7"
VERDICTS = {True: GREEN, False: RED, None: GREY}


def picture(heading: str, programs: list[str], rows: list[Row], curves: list[Curve]) -> str:
    compared = [row for row in rows if row.ratio is not None and row.figure.is_cost
                and (row.figure.goal is None or row.figure.goal.is_ratio)]
    alone = [row for row in rows if row.figure.goal and not row.figure.goal.is_ratio]
    parts, height = [text(10, 22, heading, more='font-size="11"')], 30
    parts += bars(programs, compared, height)
    height += LINE * len(compared) + 60
    parts += statements(programs[0], alone, height)
    height += LINE * len(alone) + 60
    for place, curve in enumerate(curves):
        parts += drawn(curve, 60 + place % 2 * WIDTH / 2, height + place // 2 * CURVE_HEIGHT)
    height += CURVE_HEIGHT * math.ceil(len(curves) / 2)
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" '
            f'fill="{INK}">\n<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n')


def text(x: float, y: float, words: str, anchor: str = "start", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


# ---- Ratios

def bars(programs: list[str], rows: list[Row], top: int) -> Iterator[str]:
    def x(ratio: float) -> float:
        return LABELS + min(ratio, LONGEST) / LONGEST * (WIDTH - LABELS - RIGHT)

    theirs, ours = programs
    yield text(10, top + 12, f"What {ours} needs of what {theirs} needs: less is better. The black mark is the goal.",
               more='font-weight="bold"')
    for ratio in (0.25, 0.5, 0.75, 1.0):
        yield line(x(ratio), top + 30, x(ratio), top + 34 + LINE * len(rows), INK if ratio == 1 else GRID)
        yield text(x(ratio), top + 27, theirs if ratio == 1 else f"{ratio:g}", "middle", 'font-size="10"')
    for place, row in enumerate(rows):
        y = top + 38 + LINE * place
        goal = x(row.figure.goal.limit) if row.figure.goal else 0
        yield text(LABELS - 8, y + BAR - 2, row.figure.label, "end")
        yield f'<rect x="{LABELS}" y="{y}" width="{x(row.ratio) - LABELS:.1f}" height="{BAR}" fill="{VERDICTS[row.is_met]}"/>'
        if goal:
            yield line(goal, y - 3, goal, y + BAR + 3, "black", 'stroke-width="2.5"')
        yield text(max(x(row.ratio), goal) + 6, y + BAR - 2, f"{'→ ' if row.ratio > LONGEST else ''}{row.ratio:.2f}")


# ---- Figures that have a goal by themselves

def statements(theirs: str, rows: list[Row], top: int) -> Iterator[str]:
    for place, row in enumerate(rows):
        y = top + LINE * place
        yield text(LABELS - 8, y, row.figure.label, "end")
        yield text(LABELS, y, f"{number(row.ours)} {row.figure.unit}".strip(), more=f'fill="{VERDICTS[row.is_met]}" font-weight="bold"')
        yield text(LABELS + 80, y, f"≤ {row.figure.goal.limit:g} is the goal; {theirs}: {number(row.theirs)}")


# ---- Curves

def drawn(curve: Curve, left: float, top: float) -> Iterator[str]:
    width, height = WIDTH / 2 - 130, CURVE_HEIGHT - 100
    counts = [count for count, _ in next(iter(curve.points.values()))]
    highest = max(value for series in curve.points.values() for _, value in series) * 1.1 or 1

    def x(count: int) -> float:
        return left + math.log(count / counts[0]) / math.log(counts[-1] / counts[0]) * width

    def y(value: float) -> float:
        return top + height - max(value, 0) / highest * height

    yield text(left, top - 10, f"{curve.label}, by the number of sessions", more='font-weight="bold"')
    yield line(left, top + height, left + width, top + height, INK)
    yield line(left, top, left, top + height, INK)
    for count in counts:
        yield text(x(count), top + height + 16, f"{count:,}", "middle", 'font-size="10"')
    for part in (0.5, 1.0):
        yield text(left - 6, y(highest * part) + 4, number(highest * part), "end", 'font-size="10"')
    for place, (program, colour) in enumerate(zip(curve.points, (GREY, GREEN))):
        places = " ".join(f"{x(count):.1f},{y(value):.1f}" for count, value in curve.points[program])
        yield f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        ends = " to ".join(number(curve.points[program][end][1]) for end in (0, -1))
        yield text(left + 10, top + height + 36 + 16 * place, f"{program}: {ends}", more=f'fill="{colour}"')
