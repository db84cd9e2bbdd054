"""Python's smtplib: some connections, each kept by a thread or made anew for each message."""

import smtplib
from concurrent.futures import ThreadPoolExecutor

from common import CONTEXT, HOST, JOB, MESSAGE, PASSWORD, PORT, RECIPIENT, SENDER, USER, Stretch


def connect():
    client = smtplib.SMTP_SSL(HOST, PORT, context=CONTEXT)
    client.login(USER, PASSWORD)
    return client


def worker(stretch, kept):
    messages = 0
    while stretch.goes_on():
        if kept is None:
            with connect() as fresh:
                fresh.sendmail(SENDER, [RECIPIENT], MESSAGE)
        else:
            kept.sendmail(SENDER, [RECIPIENT], MESSAGE)
        messages += 1
    return messages


def run(seconds):
    stretch = Stretch(seconds)
    others = [pool.submit(worker, stretch, client) for client in clients[1:]]
    stretch.messages = worker(stretch, clients[0]) + sum(other.result() for other in others)
    return stretch


clients = [None if JOB["how"] == "fresh" else connect() for _ in range(JOB["connections"])]
with ThreadPoolExecutor(max_workers=max(1, len(clients) - 1)) as pool:
    warm = run(JOB["warm"])
    measured = run(JOB["seconds"])
    measured.answer(warm.messages + measured.messages)
