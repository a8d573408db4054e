"""What is said while the bench runs, and what ends it or a part of it."""

import sys


class Unmeasured(Exception):
    """Why a kind of work could not be measured here: the others go on."""


class Broken(Unmeasured):
    """It should have been possible, and has failed."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fail(text: str) -> None:
    sys.exit(f"bench: {text}")
