"""How the demo and the scenarios write to the terminal."""

import time

from lab import say

STARTED = time.time()


def step(text, detail="", at=None):
    """One line: when, what, and what came of it. `at`: seconds since 1970 when it happened, if not now."""
    say(f"  {(at or time.time()) - STARTED:7.3f} s  {text:<34} {detail}")


def table(checks):
    """The checks, one a line; whether all hold."""
    say("\n" + "\n".join(f"  {'ok  ' if holds else 'FAIL'}  {name:<48} {detail}" for name, holds, detail in checks))
    return all(holds for _, holds, _ in checks)


def elapsed():
    return time.time() - STARTED
