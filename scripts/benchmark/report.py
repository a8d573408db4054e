"""What a run comes to: the rows of the table, for people and for programs."""

import dataclasses
import statistics

from benchmark.figures import CURVES, FIGURES, Figure
from benchmark.measuring import Results, generator_load

# What others may use of the processors before the figures are worth little.
QUIET = 0.05


@dataclasses.dataclass
class Row:
    """One figure of both programs, each what its rounds come to: nginx's, or whose is in its place, and ours."""
    figure: Figure
    theirs: float
    ours: float
    # None where theirs is nothing.
    ratio: float | None
    # The least and the greatest ratio of a single round.
    spread: tuple[float, float] | None
    generator: str

    @property
    def is_met(self) -> bool | None:
        if self.figure.goal is None:
            return None
        measured = self.ratio if self.figure.goal.is_ratio else self.ours
        return measured is not None and measured <= self.figure.goal.limit


def rows_of(results: Results) -> list[Row]:
    return [row(figure, results.rounds) for figure in FIGURES
            if figure.kind in results.rounds and (figure.base is None or figure.base in results.rounds)]


def row(figure: Figure, rounds: dict[str, dict[str, list[dict]]]) -> Row:
    theirs, ours = (values(figure, rounds, program) for program in rounds[figure.kind])
    ratios = [our / their for their, our in zip(theirs, ours) if their]
    their, our = figure.of_rounds(theirs), figure.of_rounds(ours)
    return Row(
        figure, their, our, our / their if their else None, (min(ratios), max(ratios)) if ratios else None,
        busiest_generator(rounds[figure.kind]))


def values(figure: Figure, rounds: dict[str, dict[str, list[dict]]], program: str) -> list[float]:
    numbers = [figure.value(result) for result in rounds[figure.kind][program]]
    if figure.base is None:
        return numbers
    return [number / figure.value(base) for number, base in zip(numbers, rounds[figure.base][program])]


def busiest_generator(results: dict[str, list[dict]]) -> str:
    """Of the program for which the generator had more to do, in the median round."""
    def median(results: list[dict]) -> dict:
        return sorted(results, key=load)[len(results) // 2]

    def load(result: dict) -> float:
        if "delay_p99" in result:
            return result["delay_p99"]
        return result["generator_cpu_seconds"] / result["seconds"] if result["seconds"] else 0

    return generator_load(max(map(median, results.values()), key=load)).removeprefix("generator ")


@dataclasses.dataclass
class Curve:
    """What a session costs by the number of sessions, of each program."""
    label: str
    points: dict[str, list[tuple[int, float]]]


def curves_of(results: Results) -> list[Curve]:
    curves = []
    for label, value, kinds in CURVES:
        known = {count: results.rounds[kind] for count, kind in kinds.items() if kind in results.rounds}
        if len(known) > 1:
            programs = next(iter(known.values()))
            curves.append(Curve(label, {
                program: [(count, statistics.median(map(value, rounds[program]))) for count, rounds in known.items()]
                for program in programs}))
    return curves


# ---- For people

def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(programs: list[str], rows: list[Row], reasons: dict[str, str], colours: bool) -> str:
    red, green, plain = ("\033[31m", "\033[32m", "\033[0m") if colours else ("", "", "")
    theirs, ours = programs
    lines = [f"{'':46}{theirs:>8} {ours:>8}     {'ratio':>6}  {'rounds':>11}  {'goal':>11}         generator"]
    for line in rows:
        verdict, colour = {None: ("", ""), True: ("met", green), False: ("missed", red)}[line.is_met]
        ratio = f"{'' if line.ratio is None else f'{line.ratio:.2f}':>6}"
        spread = "{:5.2f}–{:5.2f}".format(*line.spread) if line.spread else ""
        lines.append(
            f"{line.figure.label:46}{number(line.theirs):>8} {number(line.ours):>8} {line.figure.unit:3} "
            f"{red + ratio + plain if line.is_met is False else ratio}  {spread:>11}  "
            f"{str(line.figure.goal or ''):>11}  {colour}{verdict:6}{plain if colour else ''} {line.generator}".rstrip())
    lines += [f"{name:46}left out: {reason.splitlines()[0]}" for name, reason in reasons.items()]
    return "\n".join(lines)


def markdown(heading: str, rows: list[Row]) -> str:
    """The figures that have a goal, for a page to quote."""
    lines = [f"{heading}:", "", "| | ratio | goal |", "| --- | --- | --- |"]
    for line in rows:
        if goal := line.figure.goal:
            measured = f"{line.ratio:.2f}" if goal.is_ratio else f"{number(line.ours)} {line.figure.unit}".strip()
            lines.append(f"| {line.figure.label} | {measured}{'' if line.is_met else ' (missed)'} | {goal} |")
    return "\n".join(lines)


def heading(about: dict) -> str:
    theirs, ours = about["versions"].values()
    rounds = {None: "three short rounds" if about["quick"] else "five rounds", 1: "one round"}.get(
        about["rounds"], f"{about['rounds']} rounds")
    return f"{ours} beside {theirs}; {about['date']}, {about['machine']}; medians of {rounds}"


def warning(about: dict) -> str | None:
    if about["used_by_others"] <= QUIET:
        return None
    return f"Other processes used {about['used_by_others']:.0%} of the processors meanwhile: these figures are worth little."


# ---- For programs

def document(about: dict, results: Results) -> dict:
    figures = [
        {"label": row.figure.label, "kind": row.figure.kind, "unit": row.figure.unit, "theirs": row.theirs, "ours": row.ours,
         "ratio": row.ratio, "spread": row.spread, "goal": row.figure.goal and dataclasses.asdict(row.figure.goal),
         "is_met": row.is_met, "generator": row.generator}
        for row in rows_of(results)]
    return about | {"figures": figures, "left_out": results.reasons, "results": results.rounds}


def read(document: dict) -> tuple[dict, Results]:
    """What `document` has made; the figures are made anew."""
    return document, Results(document["results"], document["left_out"])
