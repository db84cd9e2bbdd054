"""Everpost through its Python package: from threads, or from tasks."""

import asyncio
import threading

from common import HOST, JOB, MESSAGE, PASSWORD, PORT, USER, Stretch
from everpost import AsyncMailer, Mailer

URL = f"smtps://{HOST}:{PORT}"
CONNECTIONS = JOB["connections"]
OPTIONS = {
    "username": USER,
    "password": PASSWORD,
    "trust": JOB["ca"],
    "max_connections": CONNECTIONS,
}


def from_threads():
    def run(seconds):
        stretch, counts = Stretch(seconds), []

        def worker():
            messages = 0
            while stretch.goes_on():
                mailer.send(MESSAGE)
                messages += 1
            counts.append(messages)

        others = [threading.Thread(target=worker) for _ in range(CONNECTIONS - 1)]
        for other in others:
            other.start()
        worker()
        for other in others:
            other.join()
        if len(counts) != CONNECTIONS:
            raise SystemExit("a thread has failed")
        stretch.messages = sum(counts)
        return stretch

    with Mailer(URL, **OPTIONS) as mailer:
        warm = run(JOB["warm"])
        measured = run(JOB["seconds"])
        measured.answer(warm.messages + measured.messages)


async def from_tasks():
    async def run(seconds):
        stretch = Stretch(seconds)

        async def worker():
            while stretch.goes_on():
                await mailer.send(MESSAGE)
                stretch.messages += 1

        await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
        return stretch

    async with AsyncMailer(URL, **OPTIONS) as mailer:
        warm = await run(JOB["warm"])
        measured = await run(JOB["seconds"])
        measured.answer(warm.messages + measured.messages)


if JOB["how"] == "threads":
    from_threads()
else:
    asyncio.run(from_tasks())
