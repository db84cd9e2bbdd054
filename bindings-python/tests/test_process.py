"""What happens to processes: forks, signals, exits, memory. Each in one of its own."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from everpost import Mailer

if TYPE_CHECKING:
    from collections.abc import Callable

    from everpost.rehearsal import Rehearsal

    Script = Callable[[str], str]

PREFACE = """
import asyncio, os, signal, sys, threading, time
import everpost
from everpost import AsyncMailer, Mailer
from everpost.rehearsal import Rehearsal

def letter(id):
    return f"From: a@example.org\\nTo: b@example.com\\nMessage-ID: <{id}>\\n\\nHello\\n"
"""

unix = pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork")


@unix
def test_a_child_forked_in_mid_traffic_works_and_the_parent_goes_on(script: Script) -> None:
    out = script(
        PREFACE
        + """
server = Rehearsal()
mailer = Mailer(server.url)
stop = threading.Event()
sent = [0] * 4
accepted = threading.Semaphore(0)

def traffic(thread):
    while not stop.is_set():
        mailer.send(letter(f"p{thread}.{sent[thread]}"))
        sent[thread] += 1
        accepted.release()

threads = [threading.Thread(target=traffic, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
events = mailer.events()
children = []
for child in range(5):
    for _ in range(20): accepted.acquire()
    pid = os.fork()
    if pid == 0:
        try:
            for number in range(10):
                assert mailer.send(letter(f"c{child}.{number}")).attempts == 1
            assert mailer.stats().accepted == 10
            again = AsyncMailer(server.url).send(letter(f"a{child}"))
            assert asyncio.run(asyncio.wait_for(again, 20))
            try: server.stats()
            except everpost.ConfigError: pass
            mailer.close()
            os._exit(0)
        except BaseException:
            import traceback; traceback.print_exc()
            os._exit(1)
    children.append(pid)
for pid in children:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
stop.set()
for thread in threads: thread.join()
mailer.close()
stats = mailer.stats()
counts = server.counts()
assert set(counts.values()) == {1}
assert len(counts) == sum(sent) + 5 * 11, (len(counts), sum(sent))
# Not one connection of the parent was disturbed by a child.
assert stats.retries == 0 and stats.opened <= 5, stats.json
print("ok")
server.stop()
"""
    )
    assert out == "ok\n"


@unix
def test_pools_of_forked_processes_send(script: Script) -> None:
    out = script(
        PREFACE
        + """
import multiprocessing
server = Rehearsal()
mailer = Mailer(server.url)
mailer.send(letter("parent"))

def work(number):
    return mailer.send(letter(number)).message_id

with multiprocessing.get_context("fork").Pool(3) as pool:
    assert sorted(pool.map(work, range(30), chunksize=1)) == sorted(f"<{n}>" for n in range(30))
print(len(server.counts()))
server.stop()
"""
    )
    assert out == "31\n"


@unix
def test_a_child_of_a_process_that_closed_its_mailer_does_not_open_it(script: Script) -> None:
    out = script(
        PREFACE
        + """
server = Rehearsal()
mailer = Mailer(server.url)
mailer.close()
pid = os.fork()
if pid == 0:
    try: mailer.send(letter("m"))
    except everpost.ClosedError: os._exit(0)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
server.stop()
"""
    )
    assert out == "0\n"


def test_the_last_lines_of_the_log_are_written(script: Script) -> None:
    out = script(
        PREFACE
        + """
import logging
logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
server = Rehearsal()
server.expire()
try: Mailer(server.url).send(letter("m"))
except everpost.CertificateError: pass
server.stop()
"""
    )
    assert "expired" in out.splitlines()[-1]


@unix
def test_a_child_has_a_log_of_its_own(script: Script) -> None:
    out = script(
        PREFACE
        + """
import logging
told = threading.Event()
class Tell(logging.Handler):
    def emit(self, record): told.set()
logging.getLogger("everpost").addHandler(Tell())
server = Rehearsal()
server.expire()
mailer = Mailer(server.url)
pid = os.fork()
try: mailer.send(letter("m"))
except everpost.CertificateError: pass
if pid == 0:
    os._exit(0 if told.wait(20) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), told.wait(20))
server.stop()
"""
    )
    assert out == "0 True\n"


@unix
def test_ctrl_c_ends_a_send_within_a_tenth_of_a_second_and_says_what_is_known(
    script: Script,
) -> None:
    out = script(
        PREFACE
        + """
server = Rehearsal()
mailer = Mailer(server.url)
took = []
for attempt in range(5):
    fault = server.inject("end_of_data", "stall")
    at = []
    def interrupt():
        server.wait(fault=fault)
        at.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        mailer.send(letter(attempt))
    except KeyboardInterrupt as interrupted:
        took.append(time.monotonic() - at[0])
        assert isinstance(everpost.outcome(interrupted), everpost.DeliveryUnknownError)
    thread.join()
    server.request({"do": "release"})
# The machine may be busy; once is proof.
assert len(took) == 5 and min(took) < 0.1, took
# A receipt that comes with the interrupt is not lost.
def accept_and_raise(*_):
    before = mailer.stats().accepted
    server.request({"do": "release"})
    while mailer.stats().accepted == before: pass
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, accept_and_raise)
fault = server.inject("end_of_data", "stall")
thread = threading.Thread(
    target=lambda: (server.wait(fault=fault), os.kill(os.getpid(), signal.SIGINT))
)
thread.start()
try:
    mailer.send(letter("accepted"))
except KeyboardInterrupt as interrupted:
    what = everpost.outcome(interrupted)
    assert what.delivery == "accepted" and what.receipt.message_id == "<accepted>"
thread.join()
# A handler that does not raise does not end it.
signal.signal(signal.SIGINT, lambda *_: server.request({"do": "release"}))
fault = server.inject("end_of_data", "stall")
threading.Thread(
    target=lambda: (server.wait(fault=fault), os.kill(os.getpid(), signal.SIGINT))
).start()
print(mailer.send(letter("m")).message_id)
server.stop()
"""
    )
    assert out == "<m>\n"


def ended(program: str) -> float:
    """How long a program takes from its last line to its end; it must end in silence."""
    with subprocess.Popen(
        [sys.executable, "-c", PREFACE + program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "last\n"
        begun = time.monotonic()
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        took = time.monotonic() - begun
    assert (process.returncode, out, err) == (0, "", "")
    return took


EXITS = {
    "with a mailer and its connections": """
server = Rehearsal()
mailer = Mailer(server.url)
mailer.send(letter("m"))
""",
    "with a daemon thread in a send": """
server = Rehearsal()
mailer = Mailer(server.url)
fault = server.inject("end_of_data", "stall")
threading.Thread(target=mailer.send, args=(letter("m"),), daemon=True).start()
server.wait(fault=fault)
""",
    "with a daemon thread at its events": """
server = Rehearsal()
mailer = Mailer(server.url)
events = mailer.events()
threading.Thread(target=list, args=(events,), daemon=True).start()
mailer.send(letter("m"))
""",
    "with a provider of tokens that never answers": """
server = Rehearsal(tokens={"app": "token"})
asked = threading.Event()
def token():
    asked.set()
    threading.Event().wait()
mailer = Mailer(server.url, username="app", token=token)
threading.Thread(target=mailer.send, args=(letter("m"),), daemon=True).start()
asked.wait()
""",
    "with a loop that was closed over its sends": """
server = Rehearsal()
mailer = AsyncMailer(server.url)
loop = asyncio.new_event_loop()
fault = server.inject("end_of_data", "stall")
async def main():
    task = asyncio.ensure_future(mailer.send(letter("m")))
    await asyncio.to_thread(server.wait, fault=fault)
    task.cancel()
    try: await task
    except asyncio.CancelledError: pass
loop.run_until_complete(main())
loop.close()
server.request({"do": "release"})
""",
    "with a log that is being written": """
import logging
logging.basicConfig(level=1, handlers=[logging.NullHandler()])
server = Rehearsal()
mailer = Mailer(server.url)
accepted = threading.Semaphore(0)
def traffic():
    for number in range(10 ** 6):
        mailer.send(letter(number))
        accepted.release()
threading.Thread(target=traffic, daemon=True).start()
for _ in range(20): accepted.acquire()
""",
    "with a watch and a batch under way": """
server = Rehearsal()
watch = everpost.watch(f"smtps://localhost:{server.port}", trust=server.ca_file, interval=0.1)
next(watch)
mailer = Mailer(server.url)
results = mailer.send_many(letter(number) for number in range(10 ** 6))
next(results)
""",
}


@pytest.mark.parametrize("how", EXITS)
def test_an_interpreter_exits_at_once_and_in_silence(how: str) -> None:
    program = EXITS[how] + "print('last', flush=True)\n"
    assert min(ended(program), ended(program)) < 1.0


def test_ten_thousand_sends_and_a_thousand_failures_leave_no_memory_behind(
    script: Script,
) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    out = script(
        PREFACE
        + """
import gc
server = Rehearsal(settings={"forget_bodies": True})
refusal = {"pattern": "no@*", "reply": "550 5.1.1 nobody"}
server.request({"do": "settings", "set": {"refuse_recipients": [refusal]}})
bad = "From: a@example.org\\nTo: no@example.com\\n\\nHello\\n"

def measure():
    server.request({"do": "clear"})
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(gc.get_objects())

def run(sends, failures):
    with Mailer(server.url) as mailer:
        for _ in range(sends // 4): mailer.send(letter("m"))
        for result in mailer.send_many(letter("m") for _ in range(sends // 4)): result.unwrap()
        for _ in range(failures // 2):
            try: mailer.send(bad)
            except everpost.RecipientsRefusedError: pass
    async def main():
        async with AsyncMailer(server.url) as mailer:
            for _ in range(sends // 2 // 50):
                await asyncio.gather(*(mailer.send(letter("m")) for _ in range(50)))
            for _ in range(failures // 2):
                try: await mailer.send(bad)
                except everpost.RecipientsRefusedError: pass
    asyncio.run(main())

run(2000, 400)
memory, objects = measure()
for _ in range(5):
    run(2000, 200)
    server.request({"do": "clear"})
more_memory, more_objects = measure()
assert more_objects - objects < 200, (objects, more_objects)
assert more_memory - memory < 4 * 1024 * 1024, (memory, more_memory)
print("ok")
server.stop()
"""
    )
    assert out == "ok\n"


def test_the_log_follows_the_logger(
    server: Rehearsal, letter: Callable[..., bytes], caplog: pytest.LogCaptureFixture
) -> None:
    def lines(until: str) -> list[str]:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            time.sleep(0)
            told = [one.getMessage() for one in caplog.records if one.name.startswith("everpost")]
            if any(until in line for line in told):
                return told
        raise AssertionError(caplog.text)

    with Mailer(server.url) as mailer:
        with caplog.at_level(logging.INFO, logger="everpost"):
            mailer.send(letter("m"))
            server.rotate(restart=True)
            mailer.send(letter("n"))
            told = lines("renewed")
        assert not any("canary" in line for line in told)
        assert {one.levelno for one in caplog.records} <= {logging.INFO, logging.WARNING}
        caplog.clear()
        with caplog.at_level(logging.CRITICAL, logger="everpost"):
            mailer.send(letter("o"))
            server.rotate(restart=True)
            mailer.send(letter("p"))
        with caplog.at_level(logging.INFO, logger="everpost"):
            mailer.send(letter("q"))
            server.rotate(restart=True)
            mailer.send(letter("r"))
            told = lines("renewed")
        # The one in between was not told.
        assert sum("renewed" in line for line in told) == 1
