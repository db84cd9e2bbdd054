"""aiosmtplib: some connections, kept or made anew for each message."""

import asyncio

import aiosmtplib
from common import CONTEXT, HOST, JOB, MESSAGE, PASSWORD, PORT, RECIPIENT, SENDER, USER, Stretch


async def connect():
    client = aiosmtplib.SMTP(hostname=HOST, port=PORT, use_tls=True, tls_context=CONTEXT)
    await client.connect()
    await client.login(USER, PASSWORD)
    return client


async def worker(stretch, kept):
    while stretch.goes_on():
        client = kept or await connect()
        await client.sendmail(SENDER, [RECIPIENT], MESSAGE)
        if kept is None:
            await client.quit()
        stretch.messages += 1


async def run(seconds, clients):
    stretch = Stretch(seconds)
    await asyncio.gather(*(worker(stretch, client) for client in clients))
    return stretch


async def main():
    clients = [None if JOB["how"] == "fresh" else await connect() for _ in range(JOB["connections"])]
    warm = await run(JOB["warm"], clients)
    measured = await run(JOB["seconds"], clients)
    measured.answer(warm.messages + measured.messages)


asyncio.run(main())
