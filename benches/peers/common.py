"""What the Python peers share: the job they are given and what they answer."""

import json
import resource
import ssl
import sys
import time

JOB = json.loads(sys.argv[1])
HOST, PORT, SENDER, RECIPIENT = JOB["host"], JOB["port"], JOB["sender"], JOB["recipient"]
USER, PASSWORD = JOB["user"], JOB["password"]
MESSAGE = open(JOB["message"], "rb").read()
CONTEXT = ssl.create_default_context(cafile=JOB["ca"])


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_memory():
    try:
        with open("/proc/self/status") as status:
            lines = [line.split() for line in status if line.startswith("VmHWM:")]
            return int(lines[0][1]) * 1024
    except OSError:
        return None


class Stretch:
    """A stretch of sending: how long it may go on, and what it took."""

    def __init__(self, seconds):
        self.cpu, self.begin, self.messages = cpu(), time.perf_counter(), 0
        self.end = self.begin + seconds

    def goes_on(self):
        return time.perf_counter() < self.end

    def answer(self, total):
        took = time.perf_counter() - self.begin
        print(json.dumps({
            "messages": self.messages, "total": total, "seconds": took,
            "cpu": cpu() - self.cpu, "peak_memory": peak_memory(),
        }))
