"""What is done to a server while it works."""

import os
import signal
import time
from collections.abc import Callable

from benchmark.server import Server

# How long a server works in peace between two events, in seconds.
REST = 0.3


def reload(server: Server) -> None:
    """Ends when the new workers are there; the old ones go when their sessions have ended."""
    before = server.workers()
    os.kill(server.master, signal.SIGHUP)
    server.awaited("new workers", lambda: len(server.workers() - before) >= server.worker_count or None)


def upgrade(server: Server) -> None:
    """Starts the program anew beside itself, and ends the old master when the new one's workers are there."""
    old = server.master
    os.kill(old, signal.SIGUSR2)

    def successor() -> int | None:
        named = server.named_master()
        return named if named not in (None, old) else None

    server.master = server.awaited("a new master", successor)
    server.awaited("its workers", server.workers_if_all)
    os.kill(old, signal.SIGQUIT)
    server.awaited("the old master's end", lambda: server.has_ended(old) or None)


def once(event: Callable[[Server], None]) -> Callable[[Server, Callable[[], bool]], int]:
    def happens(server: Server, goes_on: Callable[[], bool]) -> int:
        time.sleep(REST)
        event(server)
        return 1
    return happens


def again_and_again(event: Callable[[Server], None]) -> Callable[[Server, Callable[[], bool]], int]:
    def happens(server: Server, goes_on: Callable[[], bool]) -> int:
        count = 0
        while goes_on():
            time.sleep(REST)
            event(server)
            count += 1
        return count
    return happens


# By name: given a server, and whether the work goes on, each says how often it has happened.
EVENTS = {
    "reload": once(reload),
    "reloads": again_and_again(reload),
    "upgrades": again_and_again(upgrade),
}
