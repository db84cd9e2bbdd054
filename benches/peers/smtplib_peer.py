"""Python's smtplib: one connection, kept or made anew for each message."""

import smtplib

from common import CONTEXT, HOST, JOB, MESSAGE, PASSWORD, PORT, RECIPIENT, SENDER, USER, Stretch


def connect():
    client = smtplib.SMTP_SSL(HOST, PORT, context=CONTEXT)
    client.login(USER, PASSWORD)
    return client


def run(seconds):
    stretch = Stretch(seconds)
    while stretch.goes_on():
        if JOB["how"] == "fresh":
            with connect() as fresh:
                fresh.sendmail(SENDER, [RECIPIENT], MESSAGE)
        else:
            kept.sendmail(SENDER, [RECIPIENT], MESSAGE)
        stretch.messages += 1
    return stretch


kept = None if JOB["how"] == "fresh" else connect()
warm = run(JOB["warm"])
measured = run(JOB["seconds"])
measured.answer(warm.messages + measured.messages)
