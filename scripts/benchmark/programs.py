"""The two that are compared, and where they come from."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys

from benchmark.console import fail, say

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    path: str
    preamble: str = ""

    def version(self) -> str:
        said = subprocess.run([self.path, "-v"], capture_output=True, text=True)
        return (said.stderr + said.stdout).strip().rpartition(": ")[2]


NGINX_PATHS = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"]
NGINX_MODULES = ["/usr/lib/nginx/modules/ngx_mail_module.so", "/usr/share/nginx/modules/ngx_mail_module.so"]


def existing(paths: list[str]) -> str | None:
    return next((path for path in paths if os.path.exists(path)), None)


def nginx() -> Program:
    path, module = existing(NGINX_PATHS), existing(NGINX_MODULES)
    if not (path and module):
        install_nginx()
        path, module = existing(NGINX_PATHS), existing(NGINX_MODULES)
    if not (path and module):
        fail("there is no nginx with a mail module, and installing it has not helped")
    return Program("nginx", path, f"load_module {module};")


def install_nginx() -> None:
    """Debian starts a service when it installs it, unless this file says no."""
    if not shutil.which("apt-get"):
        fail("nginx with its mail module is missing, and there is no apt-get")
    say("bench: installing nginx-light and libnginx-mod-mail")
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    policy = "/usr/sbin/policy-rc.d"
    writes_policy = not os.path.exists(policy)
    if writes_policy:
        subprocess.run([*as_root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' >{policy} && chmod +x {policy}"], check=True)
    try:
        subprocess.run([*as_root, "apt-get", "update", "-q"], check=True, stdout=sys.stderr)
        subprocess.run(
            [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-q", "-y", "--no-install-recommends",
             "nginx-light", "libnginx-mod-mail"], check=True, stdout=sys.stderr)
    finally:
        if writes_policy:
            subprocess.run([*as_root, "rm", "-f", policy], check=True)


def build(product: str) -> str:
    command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product]
    say(f"bench: {' '.join(command)}")
    if not shutil.which("swift"):
        fail("swift is not in PATH; https://www.swift.org/install has it")
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    folder = subprocess.run([*command, "--show-bin-path"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return os.path.join(folder.strip(), product)
