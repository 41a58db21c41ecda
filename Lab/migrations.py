"""50 planned migrations in a row, under load: nothing may be lost, reordered or duplicated."""

import time

import lab
from hosts import changed_to
from lab import ADDRESS4, ADDRESS6
from traffic import Count

COUNT = 50
# Datagrams of 1,300 bytes a second: 100 and 20 Mbit/s.
FAST, SLOW = 9_616, 1_923
# Each migration's frames are those of this long before it and until the next one begins.
STEADY_SECONDS = 0.5


def plan():
    """Where to go, and how fast the stream is meanwhile: direct to direct, direct to relay, relay to direct, over and over."""
    while True:
        yield "other", FAST
        yield "relay", SLOW
        yield "auto", FAST


def run(s, progress):
    """Makes the migrations in the scenario `s`; the figures for `migrations_in_a_row`."""
    uk, belgium = s.meet()
    streams = s.stream(rate=FAST)
    s.wait("udp")
    spans, rate = [], FAST
    steps = plan()
    while len(spans) < COUNT:
        target, wanted = next(steps)
        if wanted != rate:
            streams.rate(wanted)
            rate = wanted
        time.sleep(STEADY_SECONDS)
        old, began = uk.path(), time.time()
        for host in (uk, belgium):
            host.use(address(host, (uk, belgium)) if target == "other" else target)
        new = "relay" if target == "relay" else "udp"
        lab.wait_until(
            f"migration {len(spans) + 1}, {old} to {new}, is done", lambda: changed_to(new, began, uk, belgium), 8)
        spans.append((began, old.split(" ")[0], new))
        progress(f"{len(spans)} of {COUNT} migrations: {old.split(' ')[0]} to {new}")
    time.sleep(STEADY_SECONDS)
    streams.finish()
    ends = [began for began, _, _ in spans[1:]] + [float("inf")]
    counts = [streams.count(began, end) for (began, _, _), end in zip(spans, ends)]
    total = streams.count(spans[0][0] - STEADY_SECONDS)
    result = {"count": len(spans), "frames_sent": total.sent, **total.figures()}
    for number, (count, (began, old, new)) in enumerate(zip(counts, spans), 1):
        if not count.is_clean():
            lost = sorted(
                recording.sent[place] - began for recording in streams.recordings for place in recording.missing
                if began <= recording.sent[place])[:count.lost]
            when = f", sent {lost[0] * 1000:.0f} to {lost[-1] * 1000:.0f} ms after it began" if lost else ""
            progress(
                f"migration {number}, {old} to {new}: of {count.sent} frames {count.lost} lost, {count.reordered} reordered, "
                f"{count.duplicated} duplicated{when}")
    for kind in dict.fromkeys((old, new) for _, old, new in spans):
        part = sum((count for count, span in zip(counts, spans) if span[1:] == kind), Count())
        progress(
            f"{' to '.join(kind)}: {sum(span[1:] == kind for span in spans)} migrations, {part.sent} frames, {part.lost} lost, "
            f"{part.reordered} reordered, {part.duplicated} duplicated")
    return result


def address(host, hosts):
    """An address of the other host, of the other family than that of the path in use."""
    peer = next(found for found in hosts if found is not host)
    wanted = ADDRESS4[peer.site] if "[" in host.path() else f"[{ADDRESS6[peer.site]}]"
    known = host.addresses()
    for found in known:
        if found.startswith(f"{wanted}:"):
            return found
    raise lab.Failure(f"{host.site} knows no UDP port of {wanted}, only {', '.join(known) or 'nothing'}")
