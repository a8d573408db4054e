"""What is measured: the server blocks of the configuration, and the kinds of work done on them."""

import dataclasses
import itertools
import resource

KIB, MIB = 1 << 10, 1 << 20


@dataclasses.dataclass(frozen=True)
class Listener:
    """A server block of the configuration."""
    port: int
    protocol: str
    settings: str
    is_tls: bool = False


RSA = "ssl_certificate rsa.pem; ssl_certificate_key rsa.key;"
ECDSA = "ssl_certificate ecdsa.pem; ssl_certificate_key ecdsa.key;"
SUBMISSION = "protocol smtp; smtp_auth plain login;"

LISTENERS = {
    "imap": Listener(10143, "imap", "protocol imap;"),
    "pop3": Listener(10110, "pop3", "protocol pop3;"),
    "smtp": Listener(10587, "smtp", f"{SUBMISSION} xclient off; proxy_smtp_auth on;"),
    "xclient": Listener(10025, "xclient", f"{SUBMISSION} xclient on;"),
    "xclient-auth": Listener(10026, "xclient-auth", f"{SUBMISSION} xclient on; proxy_smtp_auth on;"),
    "xclient-mx": Listener(10027, "xclient-mx", "protocol smtp; smtp_auth none; xclient on;"),
    "imaps-rsa": Listener(10993, "imap", f"protocol imap; {RSA}", is_tls=True),
    "imaps-ecdsa": Listener(11993, "imap", f"protocol imap; {ECDSA}", is_tls=True),
    "imap-starttls": Listener(11143, "imap", f"protocol imap; starttls on; {ECDSA}"),
    "pop3-starttls": Listener(11110, "pop3", f"protocol pop3; starttls on; {ECDSA}"),
    "smtp-starttls": Listener(11587, "smtp", f"{SUBMISSION} xclient off; proxy_smtp_auth on; starttls on; {ECDSA}"),
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """Work for the load generator, with how much of it is enough in a quick run and in a whole one."""
    name: str
    listener: str
    work: str
    # 0 where a quick run leaves it out.
    quick: int
    whole: int
    sessions: int = 1
    tls: str = "none"
    size: int = 64
    # Logins that begin each second; 0 where each client begins when its last has ended.
    rate: int = 0
    # Sessions that are open and silent meanwhile.
    bystanders: int = 0
    workers: int = 1
    # Of the network between all; None is loopback's own.
    mtu: int | None = None
    # What is done to the server meanwhile, one of events.EVENTS. Then what fails is counted.
    event: str | None = None
    # Directives of the main block.
    settings: str = ""
    # In a quick run and in a whole one.
    rounds: tuple[int, int] = (3, 5)

    def count(self, quick: bool) -> int:
        return self.quick if quick else self.whole

    def arguments(self, count: int) -> list[str]:
        sessions = count if self.work == "idle" else self.sessions
        said = {"work": self.work, "protocol": LISTENERS[self.listener].protocol, "tls": self.tls, "sessions": sessions,
                "operations": count, "size": self.size, "rate": self.rate, "bystanders": self.bystanders,
                "failures": "count" if self.event else "end"}
        return [word for name, value in said.items() if value for word in (f"--{name}", str(value))]


# What a worker may open, and how many sessions that lets it have, each with two sockets. More than this many
# would be short of ports.
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
DESCRIPTORS = 65_536 if HARD_LIMIT == resource.RLIM_INFINITY else min(HARD_LIMIT, 65_536)
MOST = min((DESCRIPTORS - 1000) // 2, 20_000)
# Sessions beside which a server is reloaded.
LIVE = min(9000, MOST)
# Rounds of what takes long.
FEW = (1, 3)
# The least of descriptors with which all that has a number in its name can be done.
NEEDED_DESCRIPTORS = 10_000
# How many clients make a load: enough to keep one worker busy.
CROWD = 50


def transfers() -> list[Kind]:
    """Each way, each size, plain and TLS, at loopback's MTU and at an Ethernet's."""
    amounts = [("64k", 64 * KIB, 8, 320, 1500), ("1m", MIB, 8, 120, 1500), ("64m", 64 * MIB, 1, 3, 24)]
    kinds = []
    for mtu, listener, way, (size, byte_count, sessions, quick, whole) in itertools.product(
            (None, 1500), ("imap", "imaps-ecdsa"), ("down", "up"), amounts):
        tls = "full" if LISTENERS[listener].is_tls else "none"
        name = f"{way}-{size}{'-tls' if tls == 'full' else ''}{f'-{mtu}' if mtu else ''}"
        # A quick run has no time for the 40 ms that nginx waits at the end of a small one, nor for what is much like the rest.
        is_in_quick = size == "1m" or (size, way) == ("64m", "down") or name == "down-64k-1500"
        kinds.append(Kind(name, listener, way, quick if is_in_quick else 0, whole, sessions, tls, byte_count, mtu=mtu))
    return kinds


KINDS = [
    Kind("login-imap", "imap", "login", 3000, 15000, CROWD),
    Kind("login-pop3", "pop3", "login", 3000, 15000, CROWD),
    Kind("login-smtp", "smtp", "login", 3000, 15000, CROWD),
    Kind("login-xclient", "xclient", "login", 3000, 15000, CROWD),
    Kind("login-xclient-auth", "xclient-auth", "login", 0, 10000, CROWD),
    Kind("login-xclient-mx", "xclient-mx", "login", 0, 10000, CROWD),
    Kind("login-alone", "imap", "login", 500, 3000),
    Kind("login-rate", "imap", "login", 2000, 10000, CROWD, rate=2000),
    Kind("login-two", "imap", "login", 3000, 15000, CROWD, workers=2),

    Kind("imaps-rsa", "imaps-rsa", "login", 1000, 5000, CROWD, tls="full"),
    Kind("imaps-ecdsa", "imaps-ecdsa", "login", 1200, 6000, CROWD, tls="full"),
    Kind("imaps-resumed", "imaps-ecdsa", "login", 1200, 6000, CROWD, tls="resumed"),
    Kind("imaps-alone", "imaps-ecdsa", "login", 12, 50, tls="full"),
    Kind("imaps-rate", "imaps-ecdsa", "login", 500, 3000, CROWD, tls="full", rate=500),
    Kind("imaps-two", "imaps-rsa", "login", 1000, 5000, CROWD, tls="full", workers=2),
    Kind("starttls-imap", "imap-starttls", "login", 1200, 5000, CROWD, tls="starttls"),
    Kind("starttls-pop3", "pop3-starttls", "login", 0, 5000, CROWD, tls="starttls"),
    Kind("starttls-smtp", "smtp-starttls", "login", 0, 5000, CROWD, tls="starttls"),

    *transfers(),

    Kind("echo-10", "imap", "echo", 0, 100000, 10),
    Kind("echo-32", "imap", "echo", 30000, 150000, 32),
    Kind("echo-100", "imap", "echo", 0, 100000, 100),
    Kind("echo-1000", "imap", "echo", 30000, 100000, 1000),
    Kind("echo-most", "imap", "echo", MOST * 2, MOST * 10, MOST, rounds=FEW),
    Kind("echo-32-tls", "imaps-ecdsa", "echo", 20000, 100000, 32, tls="full"),
    Kind("echo-1000-tls", "imaps-ecdsa", "echo", 0, 100000, 1000, tls="full"),

    Kind("idle-10", "imap", "idle", 0, 10),
    Kind("idle-100", "imap", "idle", 0, 100),
    Kind("idle-1000", "imap", "idle", 0, 1000),
    Kind("idle", "imap", "idle", 1000, 4000),
    Kind("idle-most", "imap", "idle", MOST, MOST, rounds=FEW),
    Kind("idle-tls", "imaps-ecdsa", "idle", 1000, 4000, tls="full"),

    Kind("reload", "imap", "login", 1500, 2500, CROWD, rate=500, event="reloads", rounds=FEW),
    Kind("upgrade", "imap", "login", 1500, 2500, CROWD, rate=500, event="upgrades", rounds=FEW),
    Kind("reload-live", "imap", "login", 800, 800, CROWD, rate=200, bystanders=LIVE, event="reload", rounds=FEW),
    Kind("shutdown-live", "imap", "login", 800, 800, CROWD, rate=200, bystanders=LIVE, event="reload", rounds=FEW,
         settings="worker_shutdown_timeout 1s;"),
]
