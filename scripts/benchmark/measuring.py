"""The rounds: a server that has just been started, the load generator before it, and what came of it."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import time

from benchmark.console import Broken, Unmeasured, say
from benchmark.events import EVENTS
from benchmark.figures import FIGURES
from benchmark.network import Networks
from benchmark.programs import Program
from benchmark.server import AUTH_PORT, UPSTREAM_PORT, Server, running
from benchmark.work import LISTENERS, Kind


@dataclasses.dataclass
class Results:
    """What each round gave, by kind and program, and why a kind has given nothing."""
    rounds: dict[str, dict[str, list[dict]]] = dataclasses.field(default_factory=dict)
    reasons: dict[str, str] = dataclasses.field(default_factory=dict)
    is_whole: bool = True


@dataclasses.dataclass
class Bench:
    programs: list[Program]
    generator: str
    # Of the workers in turn, and of the generator.
    processors: tuple[list[int], int]
    directory: pathlib.Path
    quick: bool
    # Instead of what each kind has by itself.
    rounds: int | None = None
    operations: int | None = None

    def run(self, kinds: list[Kind]) -> Results:
        results, count, begin = Results(), 0, time.monotonic()
        total = sum(self.rounds_of(kind) for kind in kinds) * len(self.programs)
        with contextlib.closing(Networks()) as networks:
            for kind in kinds:
                results.rounds[kind.name] = {program.name: [] for program in self.programs}
                try:
                    for number in range(1, self.rounds_of(kind) + 1):
                        for program in self.programs:
                            result = self.measure(kind, program, networks)
                            results.rounds[kind.name][program.name].append(result)
                            count += 1
                            say(f"[{count:3}/{total} {time.monotonic() - begin:4.0f} s] {kind.name:18} "
                                f"round {number}  {program.name:8} {glimpse(kind, result)}")
                except Unmeasured as reason:
                    results.reasons[kind.name] = str(reason)
                    results.is_whole = results.is_whole and not isinstance(reason, Broken)
                    total -= self.rounds_of(kind) * len(self.programs) - sum(map(len, results.rounds.pop(kind.name).values()))
                    say(f"bench: {kind.name} is left out: {reason}")
        return results

    def rounds_of(self, kind: Kind) -> int:
        return self.rounds or kind.rounds[0 if self.quick else 1]

    def measure(self, kind: Kind, program: Program, networks: Networks) -> dict:
        if kind.work == "idle" and os.geteuid() != 0:
            raise Unmeasured("the memory of Martlet's workers is readable to root alone")
        network = networks[kind.mtu]
        with running(program, kind, network, self.directory, self.processors[0]) as server:
            generator = subprocess.Popen(
                [*network.prefix, self.generator, "--server", f"{server.address}:{LISTENERS[kind.listener].port}",
                 "--auth", f"{server.address}:{AUTH_PORT}", "--upstream", f"{server.address}:{UPSTREAM_PORT}",
                 # Those that an event replaces cannot be measured.
                 *([] if kind.event else ["--workers", ",".join(map(str, server.workers()))]),
                 *kind.arguments(self.operations or kind.count(self.quick))],
                preexec_fn=lambda: os.sched_setaffinity(0, {self.processors[1]}),
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                events = self.let_happen(kind, server, generator)
                output, complaint = generator.communicate()
            except ProcessLookupError:
                raise Broken(f"{program.name} has ended by itself: {server.last_words()}")
            finally:
                if generator.poll() is None:
                    generator.kill()
                    generator.wait()
            if generator.returncode:
                raise Broken(f"{program.name}: {complaint.strip()}\n{server.last_words()}")
        return json.loads(output.splitlines()[-1]) | {"events": events, "complaint": complaint.strip()}

    @staticmethod
    def let_happen(kind: Kind, server: Server, generator: subprocess.Popen) -> int:
        """Does to the server what the kind wants, from the moment at which the generator measures."""
        if not kind.event or not generator.stdout.readline():
            return 0
        return EVENTS[kind.event](server, lambda: generator.poll() is None)


def glimpse(kind: Kind, result: dict) -> str:
    figure = next(figure for figure in FIGURES if figure.kind == kind.name)
    text = f"{figure.value(result):10.4g} {figure.unit:3} {figure.label}"
    events = f"   ({result['events']} times)" if result["events"] > 1 else ""
    return text + events + f"   ({generator_load(result)})" * bool(generator_load(result))


def generator_load(result: dict) -> str:
    """How far the load generator was the limit: how much of its processor it used or, where it waits for the
    clock without sleeping, how late it was, in 99 cases of 100 and ever."""
    if "delay_p99" in result:
        return f"generator {result['delay_p99'] * 1000:.2g}/{result['delay_max'] * 1000:.2g} ms late"
    return f"generator {result['generator_cpu_seconds'] / result['seconds']:.0%} busy" if result["seconds"] else ""


class Bystanders:
    """How much of the machine's processors others have used since this was made."""

    def __init__(self) -> None:
        self.begin = self.used()

    @staticmethod
    def used() -> tuple[float, float, float]:
        """Seconds since some moment: of all processors, of those the busy ones, and of those ours."""
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, open("/proc/stat").readline().split()[1:9])
        busy = user + nice + system + irq + softirq + steal
        per_second, ours = os.sysconf("SC_CLK_TCK"), os.times()
        return ((busy + idle + iowait) / per_second, busy / per_second,
                ours.user + ours.system + ours.children_user + ours.children_system)

    def share(self) -> float:
        total, busy, ours = (end - begin for begin, end in zip(self.begin, self.used()))
        return max(0.0, (busy - ours) / total) if total else 0.0
