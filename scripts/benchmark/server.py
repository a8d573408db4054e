"""A server that runs: one of the programs with the configuration that both get, from its start to its end."""

import contextlib
import ctypes
import itertools
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable

from benchmark.console import Broken
from benchmark.network import Network
from benchmark.programs import Program
from benchmark.work import DESCRIPTORS, LISTENERS, Kind

AUTH_PORT, UPSTREAM_PORT = 10080, 12143

# How long a server may take to start, to change its workers, to end.
PATIENCE = 15

# Each measurement has an address of its own, so that none meets the closed connections of another, nor those of
# another bench that ran a moment ago.
ADDRESSES = (f"127.{a}.{b}.1" for a in itertools.count(100 + os.getpid() % 100) for b in range(1, 255))


def configuration(program: Program, address: str, kind: Kind, processors: list[int]) -> str:
    # A queue as long as the kernel has them: a client whose connection is lost in it waits for ever to be greeted.
    blocks = "\n".join(
        f"    server {{ listen {address}:{listener.port}{' ssl' if listener.is_tls else ''} backlog=4096; {listener.settings} }}"
        for listener in LISTENERS.values())
    return f"""\
{program.preamble}
{'user nobody nogroup;' if os.geteuid() == 0 else ''}
worker_processes {kind.workers};
worker_cpu_affinity {' '.join(f'{1 << processor:b}' for processor in processors[:kind.workers])};
worker_rlimit_nofile {DESCRIPTORS};
pid server.pid;
error_log error.log error;
{kind.settings}

events {{ worker_connections {DESCRIPTORS}; }}

mail {{
    server_name bench.test;
    ssl_protocols TLSv1.2 TLSv1.3;
    auth_http {address}:{AUTH_PORT}/auth;
{blocks}
}}
"""


def adopt_orphans() -> None:
    """Servers run as daemons, because nginx takes no new binary otherwise. What a daemon leaves is then ours to
    await, and what it has used counts as ours."""
    set_child_subreaper = 36
    if ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) has failed")


class Server:
    def __init__(self, program: Program, kind: Kind, network: Network, directory: pathlib.Path, processors: list[int]) -> None:
        self.address = next(ADDRESSES)
        self.worker_count = kind.workers
        self.pid_file, self.log = directory / "server.pid", directory / "error.log"
        for left in (self.pid_file, self.log):
            left.unlink(missing_ok=True)
        file = directory / f"{program.name}.conf"
        file.write_text(configuration(program, self.address, kind, processors))
        with open(directory / "start.log", "w+") as said:
            command = [*network.prefix, program.path, "-p", f"{directory}/", "-c", str(file), "-e", str(self.log)]
            if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said).returncode:
                said.seek(0)
                raise Broken(f"{program.name} does not start: {said.read().strip()} {self.last_words()}")
        self.master = self.group = self.awaited("a master", self.named_master)
        # A daemon outlives us where we are killed; this one, in a session of its own, sees our end and ends it.
        self.guardian = subprocess.Popen(
            ["sh", "-c", 'read -r peace || kill -s KILL -- "-$1"', "sh", str(self.group)],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.awaited("workers", self.workers_if_all)
        except BaseException:
            self.stop()
            raise

    def named_master(self) -> int | None:
        """The process that the pid file names."""
        try:
            return int(self.pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def workers(self) -> set[int]:
        return children(self.master)

    def workers_if_all(self) -> set[int] | None:
        workers = self.workers()
        return workers if len(workers) == self.worker_count else None

    def awaited(self, what: str, look: Callable):
        deadline = time.monotonic() + PATIENCE
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise Broken(f"{what} did not come in {PATIENCE} s: {self.last_words()}")
            time.sleep(0.005)
        return found

    def has_ended(self, process: int) -> bool:
        reap(self.group)
        return not os.path.exists(f"/proc/{process}")

    def last_words(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-10:]) if self.log.exists() else ""

    def stop(self) -> None:
        """Ends the master, and what is left of its group: after an upgrade that went wrong, that is another."""
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.master, signal.SIGTERM)
        while not self.has_ended(self.master) and time.monotonic() < deadline:
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        while reap(self.group):
            time.sleep(0.005)
        self.guardian.communicate(b"peace\n")


def children(process: int) -> set[int]:
    try:
        return {int(child) for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()}
    except FileNotFoundError:
        return set()


def reap(group: int) -> bool:
    """Takes notice of those of a group that have ended. False where none of ours is left."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
        return True
    except ChildProcessError:
        return False


@contextlib.contextmanager
def running(program: Program, kind: Kind, network: Network, directory: pathlib.Path, processors: list[int]):
    server = Server(program, kind, network, directory, processors)
    try:
        yield server
    finally:
        server.stop()


def make_certificates(directory: pathlib.Path) -> None:
    for name, key in [("rsa", ["rsa:2048"]), ("ecdsa", ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])]:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "30", "-subj", "/CN=bench.test",
             "-keyout", f"{name}.key", "-out", f"{name}.pem"],
            cwd=directory, check=True, capture_output=True)
