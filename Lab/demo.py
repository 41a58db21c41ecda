"""The demo: two hosts meet at a relay, use the tunnel through it, leave it for a direct path, come back, and leave again.

Usage: demo.py [keep], under run.sh. Writes OUT/demo.json; exit status 0 when all holds.
"""

import json
import os
import pathlib
import sys

import demo_direct
import demo_relay
import lab
from hosts import OVERLAY, make_identities
from lab import say
from show import elapsed, table


def main():
    out, keep = pathlib.Path(os.environ["OUT"]) / "demo.json", "keep" in sys.argv[1:]
    result = {"passed": False}
    try:
        make_identities("relay")
        relay = demo_relay.show(result)
        demo_direct.show(result, relay)
        result["passed"] = table(demo_relay.checks(result) + demo_direct.checks(result))
    except lab.Failure as failure:
        result["failure"] = str(failure)
        say(f"\n  FAIL  {failure}")
        for log in (lab.DIRECTORY / f"{site}.log" for site in ("relay", *OVERLAY, "wan")):
            if log.exists():
                say(f"--- {log.name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-15:]))
    finally:
        if not (keep and result["passed"]):
            lab.stop_all()
        out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    say(f"\n{'All holds' if result['passed'] else 'NOT all holds'}; {elapsed():.0f} s; figures in {out.resolve()}")
    if keep and result["passed"]:
        say(f"\nLeft up. Try:\n  ip netns exec {lab.PREFIX}-uk-vps ping {OVERLAY['belgium-rpi']}\n"
            f"  {lab.SHADOWMESH} status --socket {lab.DIRECTORY}/uk-vps.sock\n"
            f"  {lab.WAN} send {lab.DIRECTORY}/wan.socket cut uk-vps belgium-rpi   (and: heal …)\n"
            f"  Lab/clear.sh   when done")
    sys.exit(0 if result["passed"] else 1)


main()
