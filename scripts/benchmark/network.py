"""A network of loopback alone, whose packets are as small as those of an Ethernet."""

import contextlib
import os
import subprocess

from benchmark.console import Unmeasured


class Network:
    """Where servers and generator are started: here, or in a network namespace that lasts as long as this."""

    def __init__(self, mtu: int | None) -> None:
        self.prefix: list[str] = []
        self.keeper = None
        if mtu is None:
            return
        if os.geteuid() != 0:
            raise Unmeasured("a network namespace needs root")
        # It ends when its standard input does, thus with us whatever happens.
        self.keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", f"ip link set lo mtu {mtu} up && echo up && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.keeper.stdout.readline() != "up\n":
            raise Unmeasured(f"there is no network namespace: {self.keeper.communicate()[1].strip()}")
        self.prefix = ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net"]

    def close(self) -> None:
        if self.keeper:
            self.keeper.communicate()


class Networks:
    """One for each MTU, made when it is first asked for."""

    def __init__(self) -> None:
        self.stack = contextlib.ExitStack()
        self.known: dict[int | None, Network] = {}

    def __getitem__(self, mtu: int | None) -> Network:
        if mtu not in self.known:
            self.known[mtu] = self.stack.enter_context(contextlib.closing(Network(mtu)))
        return self.known[mtu]

    def close(self) -> None:
        self.stack.close()
