"""The numbers that are made of what was measured, and the goals for them: this is the place where they are."""

import dataclasses
import statistics
from collections.abc import Callable

from benchmark.work import LIVE, MOST


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a figure may be at most: Martlet's ratio to nginx, or Martlet's own where nginx says nothing about it."""
    limit: float
    is_ratio: bool = True

    def __str__(self) -> str:
        return f"≤ {self.limit:.2f}" if self.is_ratio else f"≤ {self.limit:g} itself"


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a measurement."""
    label: str
    kind: str
    unit: str
    value: Callable[[dict], float]
    goal: Goal | None = None
    # The kind whose same number this one is divided by.
    base: str | None = None
    # Whether less of it is better.
    is_cost: bool = True
    # What the rounds come to.
    of_rounds: Callable[[list[float]], float] = statistics.median


def cpu_per(count: float) -> Callable[[dict], float]:
    return lambda result: result["worker_cpu_seconds"] / result["operations"] * count


def cpu_per_gigabyte(result: dict) -> float:
    return result["worker_cpu_seconds"] / result["bytes"] * 1e9


def per_cpu_second(result: dict) -> float:
    return result["operations"] / result["worker_cpu_seconds"]


def per_second(result: dict) -> float:
    return result["operations"] / result["seconds"]


def milliseconds(name: str) -> Callable[[dict], float]:
    return lambda result: result[name] * 1000


def kilobytes(name: str) -> Callable[[dict], float]:
    return lambda result: result[name] / 1000


def number(name: str) -> Callable[[dict], float]:
    return lambda result: result[name]


def ratio(limit: float) -> Goal:
    return Goal(limit)


def itself(limit: float) -> Goal:
    return Goal(limit, is_ratio=False)


cpu_per_thousand, cpu_per_100k = cpu_per(1000), cpu_per(100_000)
p50, p99, p999, longest = milliseconds("p50"), milliseconds("p99"), milliseconds("p999"), milliseconds("max")
pss, kernel = kilobytes("bytes_per_session"), kilobytes("kernel_bytes_per_session")
failed, lost = number("failures"), number("sessions_lost")


def relays() -> list[Figure]:
    """All transfers are told in the same words; what is not in this table has no goal."""
    goals = {
        ("1 MiB", "plain", ""): ratio(0.30), ("64 MiB", "plain", ""): ratio(0.30),
        ("1 MiB", "plain", "1500"): ratio(0.12), ("64 MiB", "plain", "1500"): ratio(0.12),
        ("1 MiB", "TLS", ""): ratio(0.50), ("64 MiB", "TLS", ""): ratio(0.50),
        ("1 MiB", "TLS", "1500"): ratio(0.50), ("64 MiB", "TLS", "1500"): ratio(0.50),
    }
    return [
        Figure(f"relay CPU/GB, {leg}, {size} {way}{f', MTU {mtu}' if mtu else ''}",
               f"{way}-{name}{'-tls' * (leg == 'TLS')}{f'-{mtu}' if mtu else ''}", "s", cpu_per_gigabyte,
               goals.get((size, leg, mtu)))
        for mtu in ("", "1500")
        for leg in ("plain", "TLS")
        for size, name in (("64 KiB", "64k"), ("1 MiB", "1m"), ("64 MiB", "64m"))
        for way in ("down", "up")
    ]


FIGURES = [
    Figure("CPU per 1,000 logins, IMAP", "login-imap", "s", cpu_per_thousand, ratio(0.70)),
    Figure("CPU per 1,000 logins, POP3", "login-pop3", "s", cpu_per_thousand, ratio(0.70)),
    Figure("CPU per 1,000 logins, SMTP with AUTH", "login-smtp", "s", cpu_per_thousand, ratio(0.70)),
    Figure("CPU per 1,000 logins, SMTP with XCLIENT", "login-xclient", "s", cpu_per_thousand, ratio(0.70)),
    Figure("CPU per 1,000 logins, XCLIENT and AUTH", "login-xclient-auth", "s", cpu_per_thousand),
    Figure("CPU per 1,000 mails without login, XCLIENT", "login-xclient-mx", "s", cpu_per_thousand),
    Figure("login p50 under load, IMAP", "login-imap", "ms", p50, ratio(0.50)),
    Figure("login p99 under load, IMAP", "login-imap", "ms", p99),
    Figure("login p99.9 under load, IMAP", "login-imap", "ms", p999),
    Figure("login p50 at 2,000 a second, IMAP", "login-rate", "ms", p50),
    Figure("login p99 at 2,000 a second, IMAP", "login-rate", "ms", p99),
    Figure("login p99.9 at 2,000 a second, IMAP", "login-rate", "ms", p999),
    Figure("login p50 alone, IMAP", "login-alone", "ms", p50),

    Figure("CPU per 1,000 IMAPS logins, RSA", "imaps-rsa", "s", cpu_per_thousand, ratio(0.92)),
    Figure("CPU per 1,000 IMAPS logins, ECDSA", "imaps-ecdsa", "s", cpu_per_thousand, ratio(0.85)),
    Figure("CPU per 1,000 IMAPS logins, resumed", "imaps-resumed", "s", cpu_per_thousand, ratio(0.80)),
    Figure("IMAPS logins per CPU second, RSA", "imaps-rsa", "", per_cpu_second, is_cost=False),
    Figure("IMAPS logins per CPU second, ECDSA", "imaps-ecdsa", "", per_cpu_second, is_cost=False),
    Figure("IMAPS logins per CPU second, resumed", "imaps-resumed", "", per_cpu_second, is_cost=False),
    Figure("CPU per 1,000 STARTTLS logins, IMAP", "starttls-imap", "s", cpu_per_thousand),
    Figure("CPU per 1,000 STARTTLS logins, POP3", "starttls-pop3", "s", cpu_per_thousand),
    Figure("CPU per 1,000 STARTTLS logins, SMTP", "starttls-smtp", "s", cpu_per_thousand),
    Figure("IMAPS login p50 at 500 a second, ECDSA", "imaps-rate", "ms", p50),
    Figure("IMAPS login p99 at 500 a second, ECDSA", "imaps-rate", "ms", p99),
    Figure("IMAPS login p99.9 at 500 a second, ECDSA", "imaps-rate", "ms", p999),
    Figure("lone IMAPS session p50", "imaps-alone", "ms", p50, ratio(0.03)),

    *relays(),
    Figure("64 KiB transfer p50", "down-64k", "ms", p50),
    Figure("64 KiB transfer p50, MTU 1500", "down-64k-1500", "ms", p50, ratio(0.20)),

    Figure("echo CPU per 100k, 10 sessions", "echo-10", "s", cpu_per_100k),
    Figure("echo CPU per 100k, 32 sessions", "echo-32", "s", cpu_per_100k, ratio(1.00)),
    Figure("echo CPU per 100k, 100 sessions", "echo-100", "s", cpu_per_100k),
    Figure("echo CPU per 100k, 1,000 sessions", "echo-1000", "s", cpu_per_100k),
    Figure(f"echo CPU per 100k, {MOST:,} sessions", "echo-most", "s", cpu_per_100k),
    Figure("echo CPU per 100k, 32 TLS sessions", "echo-32-tls", "s", cpu_per_100k),
    Figure("echo CPU per 100k, 1,000 TLS sessions", "echo-1000-tls", "s", cpu_per_100k),
    Figure("echo p50, 1,000 sessions", "echo-1000", "ms", p50),
    Figure("echo p99, 1,000 sessions", "echo-1000", "ms", p99),

    Figure("idle PSS per session", "idle", "kB", pss, ratio(0.15)),
    Figure("idle PSS per TLS session", "idle-tls", "kB", pss, ratio(0.60)),
    Figure("idle kernel memory per session, both ends", "idle", "kB", kernel),
    Figure("idle kernel memory per TLS session, both ends", "idle-tls", "kB", kernel),
    Figure("idle PSS per session, of 10", "idle-10", "kB", pss),
    Figure("idle PSS per session, of 100", "idle-100", "kB", pss),
    Figure("idle PSS per session, of 1,000", "idle-1000", "kB", pss),
    Figure(f"idle PSS per session, of {MOST:,}", "idle-most", "kB", pss),

    Figure("logins failed over reloads", "reload", "", failed, itself(0), of_rounds=max),
    Figure("login p50 over reloads", "reload", "ms", p50),
    Figure("login p99 over reloads", "reload", "ms", p99),
    Figure("logins failed over upgrades", "upgrade", "", failed, itself(0), of_rounds=max),
    Figure("login p50 over upgrades", "upgrade", "ms", p50),
    Figure("login p99 over upgrades", "upgrade", "ms", p99),
    Figure(f"reload beside {LIVE:,} sessions: sessions lost", "reload-live", "", lost, itself(0), of_rounds=max),
    Figure(f"reload beside {LIVE:,} sessions: logins failed", "reload-live", "", failed, itself(0), of_rounds=max),
    Figure(f"reload beside {LIVE:,} sessions: longest login", "reload-live", "ms", longest, itself(50), of_rounds=max),
    # It says whether there was one.
    Figure(f"shutdown of {LIVE:,} sessions: sessions ended", "shutdown-live", "", lost, is_cost=False),
    Figure(f"shutdown of {LIVE:,} sessions: logins failed", "shutdown-live", "", failed, itself(0), of_rounds=max),
    Figure(f"shutdown of {LIVE:,} sessions: longest login", "shutdown-live", "ms", longest, itself(50), of_rounds=max),

    Figure("CPU per login with 2 workers to 1, IMAP", "login-two", "", cpu_per_thousand, itself(1.1), base="login-imap"),
    Figure("CPU per login with 2 workers to 1, RSA", "imaps-two", "", cpu_per_thousand, itself(1.1), base="imaps-rsa"),
    Figure("IMAPS logins per second, 1 worker, RSA", "imaps-rsa", "", per_second, is_cost=False),
    Figure("IMAPS logins per second, 2 workers, RSA", "imaps-two", "", per_second, is_cost=False),
]

# What a session costs beside so many others: the kind by their number, and the figure of it.
CURVES = [
    ("idle PSS per session, kB", pss, {10: "idle-10", 100: "idle-100", 1000: "idle-1000", MOST: "idle-most"}),
    ("echo CPU per 100k, s", cpu_per_100k, {10: "echo-10", 32: "echo-32", 100: "echo-100", 1000: "echo-1000", MOST: "echo-most"}),
]
