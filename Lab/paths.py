"""The path scenarios: how two hosts find a path in networks of many kinds, and what happens when it fails.

Usage: paths.py [NAME…], under run.sh; all scenarios without names. Writes OUT/paths.json; exit status 0 when all passed.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import lab
import migrations
from hosts import make_identities
from lab import say
from scenario import Scenario, Verdict, kind
from scenarios import SCENARIOS

IN_A_ROW = "migrations-in-a-row"


def play(name, function):
    """Runs one scenario to its verdict. Whatever goes wrong in it is its fault and stops no other."""
    verdict, began = Verdict(name), time.monotonic()
    try:
        with Scenario(verdict) as scenario:
            try:
                function(scenario)
            except (lab.Failure, subprocess.SubprocessError, OSError, LookupError) as failure:
                kind_of_failure = "" if isinstance(failure, lab.Failure) else f"{type(failure).__name__}: "
                verdict.faults.append(f"{kind_of_failure}{failure}")
                verdict.path = verdict.path or " / ".join(dict.fromkeys(kind(host.path()) for host in scenario.hosts))
            if verdict.faults:
                keep_logs(name)
    except lab.Failure as failure:
        verdict.faults.append(f"not cleared away: {failure}")
    count = verdict.count
    say(f"  {'ok  ' if not verdict.faults else 'FAIL'}  {name:<42} {time.monotonic() - began:5.1f} s  {verdict.path:<14}"
        f" outage {count.outage_ms:6.0f} ms  lost {count.lost}  reordered {count.reordered}  duplicated {count.duplicated}")
    for text in verdict.faults + verdict.notes:
        say(f"        {text}")
    return verdict


def keep_logs(name):
    """Logs and captures of a scenario that failed go to OUT/paths-logs/NAME."""
    target = pathlib.Path(os.environ["OUT"]) / "paths-logs" / name
    target.mkdir(parents=True, exist_ok=True)
    for log in [*lab.DIRECTORY.glob("*.log"), *lab.DIRECTORY.glob("*.pcap")]:
        (target / log.name).write_bytes(log.read_bytes())


def main():
    wanted = sys.argv[1:]
    known = [name for name, _ in SCENARIOS] + [IN_A_ROW]
    for name in wanted:
        if name not in known:
            sys.exit(f"'{name}' is no scenario; there are: {', '.join(known)}")
    out = pathlib.Path(os.environ["OUT"]) / "paths.json"
    result = {"passed": False, "scenarios": []}
    began = time.monotonic()
    make_identities("relay", "relay-2")
    try:
        for name, function in SCENARIOS:
            if not wanted or name in wanted:
                result["scenarios"].append(play(name, function).json())
        passed = all(item["passed"] for item in result["scenarios"])
        if not wanted or IN_A_ROW in wanted:
            figures = {"count": 0, "lost": None, "reordered": None, "duplicated": None}

            def migrate(scenario):
                figures.update(migrations.run(scenario, lambda text: say(f"        {text}")))

            verdict = play(IN_A_ROW, migrate)
            result["migrations_in_a_row"] = {**figures, "note": "; ".join(verdict.faults)}
            passed = passed and not verdict.faults and figures["count"] == migrations.COUNT and not any(
                figures[key] for key in ("lost", "reordered", "duplicated"))
        result["passed"] = passed
    finally:
        lab.stop_all()
        out.write_text(json.dumps(result, indent=2) + "\n")
    say(f"\n{'All passed' if result['passed'] else 'NOT all passed'}; {time.monotonic() - began:.0f} s; figures in {out.resolve()}")
    sys.exit(0 if result["passed"] else 1)


main()
