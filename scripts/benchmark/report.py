"""What a run comes to: the rows of the table, for people and for programs."""

import dataclasses
import statistics

from benchmark.figures import CURVES, FIGURES, Figure, Goal
from benchmark.measuring import Results, generator_load

# What others may use of the processors before the figures are worth little.
QUIET = 0.05


@dataclasses.dataclass
class Row:
    """One figure of both programs, each the median of its rounds."""
    label: str
    unit: str
    nginx: float
    martlet: float
    # None where nginx's is nothing.
    ratio: float | None
    # The least and the greatest ratio of a single round.
    spread: tuple[float, float] | None
    goal: Goal | None
    generator: str

    @property
    def is_met(self) -> bool | None:
        if self.goal is None:
            return None
        measured = self.ratio if self.goal.is_ratio else self.martlet
        return measured is not None and measured <= self.goal.limit


def rows_of(results: Results) -> list[Row]:
    return [row(figure, results.rounds) for figure in FIGURES
            if figure.kind in results.rounds and (figure.base is None or figure.base in results.rounds)]


def row(figure: Figure, rounds: dict[str, dict[str, list[dict]]]) -> Row:
    nginx, martlet = (values(figure, rounds, name) for name in ("nginx", "martlet"))
    ratios = [ours / theirs for theirs, ours in zip(nginx, martlet) if theirs]
    middle, our_middle = statistics.median(nginx), statistics.median(martlet)
    return Row(
        figure.label, figure.unit, middle, our_middle, our_middle / middle if middle else None,
        (min(ratios), max(ratios)) if ratios else None, figure.goal, busiest_generator(rounds[figure.kind]))


def values(figure: Figure, rounds: dict[str, dict[str, list[dict]]], program: str) -> list[float]:
    numbers = [figure.value(result) for result in rounds[figure.kind][program]]
    if figure.base is None:
        return numbers
    return [number / figure.value(base) for number, base in zip(numbers, rounds[figure.base][program])]


def busiest_generator(results: dict[str, list[dict]]) -> str:
    """Of the program for which the generator had more to do, the median."""
    def load(results: list[dict]) -> dict:
        return sorted(results, key=lambda result: (result.get("delay_p99", 0), share(result)))[len(results) // 2]

    def share(result: dict) -> float:
        return result["generator_cpu_seconds"] / result["seconds"] if result["seconds"] else 0

    loads = sorted(map(load, results.values()), key=lambda result: (result.get("delay_p99", 0), share(result)))
    return generator_load(loads[-1]).removeprefix("generator ")


def curves_of(results: Results) -> list[tuple[str, dict[str, list[tuple[int, float]]]]]:
    """What a session costs by the number of sessions: for each curve and program the points that there are."""
    curves = []
    for label, value, kinds in CURVES:
        points = {
            program: [(count, statistics.median(map(value, results.rounds[kind][program])))
                      for count, kind in kinds.items() if kind in results.rounds]
            for program in ("nginx", "martlet")}
        if len(points["nginx"]) > 1:
            curves.append((label, points))
    return curves


# ---- For people

def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(rows: list[Row], reasons: dict[str, str], colours: bool) -> str:
    red, green, plain = ("\033[31m", "\033[32m", "\033[0m") if colours else ("", "", "")
    lines = [f"{'':46}{'nginx':>8} {'martlet':>8}     {'ratio':>6}  {'rounds':>11}  {'goal':>11}         generator"]
    for line in rows:
        verdict, colour = {None: ("", ""), True: ("met", green), False: ("missed", red)}[line.is_met]
        ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
        spread = "{:5.2f}–{:5.2f}".format(*line.spread) if line.spread else ""
        goal = "" if line.goal is None else str(line.goal)
        lines.append(
            f"{line.label:46}{number(line.nginx):>8} {number(line.martlet):>8} {line.unit:3} "
            f"{red if line.is_met is False else ''}{ratio:>6}{plain if line.is_met is False else ''}  {spread:>11}  "
            f"{goal:>11}  {colour}{verdict:6}{plain if colour else ''} {line.generator}".rstrip())
    lines += [f"{name:46}left out: {reason.splitlines()[0]}" for name, reason in reasons.items()]
    return "\n".join(lines)


def heading(about: dict) -> str:
    rounds = "five rounds" if not about["quick"] else "three short rounds"
    if about["rounds"]:
        rounds = f"{about['rounds']} rounds"
    return (f"{about['versions']['martlet']} beside {about['versions']['nginx']}; {about['date']}, {about['machine']}; "
            f"medians of {rounds}")


def warning(about: dict) -> str | None:
    if about["used_by_others"] <= QUIET:
        return None
    return f"Other processes used {about['used_by_others']:.0%} of the processors meanwhile: these figures are worth little."


# ---- For programs

def document(about: dict, results: Results) -> dict:
    figures = [dataclasses.asdict(line) | {"is_met": line.is_met} for line in rows_of(results)]
    return about | {"figures": figures, "left_out": results.reasons, "results": results.rounds}


def read(document: dict) -> tuple[dict, Results]:
    """What `document` has made, except that the figures are made anew."""
    return document, Results(document["results"], document["left_out"])
