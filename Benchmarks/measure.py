"""One measurement of one peer: throughput, packet rate, latency, CPU time and memory."""

import json
import os
import pathlib
import re
import subprocess
import time

from network import Failure, wait_until

TICKS = os.sysconf("SC_CLK_TCK")
# Datagrams a second that are tried: steps of the square root of 2.
LADDER = (1000, 1400, 2000, 2800, 4000, 5000, 7000, 10000, 14000, 20000, 28000, 40000, 56000, 80000, 112000)
LOSS_PERCENT_MAX = 0.1


def cpu_seconds(processes):
    """User and system time of processes and the children they waited for."""
    total = 0
    for process in processes:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def peak_bytes(processes):
    """The highest resident memory of the larger one."""
    def peak(process):
        text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) * 1024

    return max(map(peak, processes), default=0)


class Measurement:
    """The tunnel of one peer in a network of its own. `rates` remembers where the ladder was left, by payload."""

    def __init__(self, network, peer, rates):
        self.network, self.peer, self.rates = network, peer, rates
        self.server = network.start("b", "iperf3-server", "iperf3", "-s")
        wait_until("iperf3 listens", lambda: network.run("b", "ss", "-Hltn", "sport = :5201").stdout)
        wait_until("the tunnel carries", lambda: self.ping("-c1", "-W1").returncode == 0, 30)

    def ping(self, *options, timeout=60):
        return self.network.run("a", "ping", *options, self.peer.address["b"], timeout=timeout)

    def iperf(self, *options):
        words = ["iperf3", "-J", "-c", self.peer.address["b"], *options]
        done = self.network.run("a", *words)
        try:
            report = json.loads(done.stdout)
        except json.JSONDecodeError:
            raise Failure(f"{self.peer.name}: {' '.join(words)}: {done.stdout}{done.stderr}") from None
        if "error" in report:
            raise Failure(f"{self.peer.name}: {' '.join(words)}: {report['error']}")
        return report["end"]

    def tcp(self, seconds, *options):
        """Gbit/s received, and CPU seconds of both ends per Gbit."""
        before = cpu_seconds(self.peer.processes)
        received = self.iperf("-t", str(seconds), "-C", "cubic", *options)["sum_received"]
        used = cpu_seconds(self.peer.processes) - before
        gigabits = received["bytes"] * 8e-9
        return received["bits_per_second"] / 1e9, used / gigabits

    def udp(self, payload):
        """The highest rate of the ladder without loss, as delivered, in datagrams a second."""
        known = self.rates.get(payload)
        if known is None:
            low, high, best = -1, len(LADDER), (0, 0)
            while high - low > 1:
                middle = (low + high) // 2
                delivered = self.delivered(payload, LADDER[middle])
                if delivered:
                    low, best = middle, (middle, delivered)
                else:
                    high = middle
        else:
            step, best = known, (known, 0)
            while 0 <= step < len(LADDER):
                delivered = self.delivered(payload, LADDER[step])
                if delivered:
                    best = (step, delivered)
                    if step < known:
                        break
                    step += 1
                elif best[1]:
                    break
                else:
                    step -= 1
        self.rates[payload] = best[0]
        return best[1]

    def delivered(self, payload, rate):
        """Datagrams a second that arrived of such a stream; None when more than 0.1 % did not."""
        end = self.iperf("-u", "-l", str(payload), "-b", str(rate * payload * 8), "-t", "1", "-w", "4M")["sum"]
        if end["packets"] == 0 or end["lost_percent"] > LOSS_PERCENT_MAX:
            return None
        # What the generator cannot send was not carried either.
        return (end["packets"] - end["lost_packets"]) / end["seconds"]

    def latency(self, count=200):
        """Round trips in microseconds, sorted."""
        text = self.ping("-i", "0.01", "-c", str(count)).stdout
        times = sorted(float(value) * 1000 for value in re.findall(r"time=([\d.]+) ms", text))
        if not times:
            raise Failure(f"{self.peer.name}: no ping was answered")
        return times

    def loaded_latency(self, bits_per_second=None):
        """Round trips while one TCP stream runs, at full rate or at a given one."""
        options = ["-b", str(int(bits_per_second))] if bits_per_second else []
        load = subprocess.Popen(
            self.network.inside("a", "iperf3", "-c", self.peer.address["b"], "-t", "3", "-C", "cubic", *options),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Slow start is over.
        time.sleep(0.7)
        try:
            return self.latency()
        finally:
            load.wait(timeout=20)

    def memory(self):
        return peak_bytes(self.peer.processes)


def percentile(values, part):
    return values[min(len(values) - 1, int(len(values) * part))]
