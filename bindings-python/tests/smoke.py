"""A short try of everything that depends on the interpreter, without pytest."""

from __future__ import annotations

import asyncio
import pickle
import sys

import everpost
from everpost.rehearsal import Rehearsal


def letter(id_: str) -> str:
    return f"From: a@example.org\nTo: b@example.com\nMessage-ID: <{id_}>\n\nHello\n"


async def by_asyncio(server: Rehearsal) -> None:
    async with everpost.AsyncMailer(server.url) as mailer:
        await asyncio.gather(*(mailer.send(letter(f"a{number}")) for number in range(20)))
        async for result in mailer.send_many(letter(f"b{number}") for number in range(20)):
            result.unwrap()
        fault = server.inject("mail", "stall")
        task = asyncio.ensure_future(mailer.send(letter("never")))
        await asyncio.to_thread(server.wait, fault=fault)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError as cancelled:
            assert isinstance(everpost.outcome(cancelled), everpost.CancelledError)
        server.request({"do": "release"})


def main() -> None:
    with Rehearsal(credentials={"app": "secret"}) as server:
        with everpost.Mailer(server.url) as mailer:
            receipt = mailer.send(letter("m"))
            assert pickle.loads(pickle.dumps(receipt)) == receipt
            server.rotate(restart=True)
            mailer.send(letter("n"))
            assert mailer.stats().rotations == 1
        asyncio.run(by_asyncio(server))
        server.expire()
        try:
            everpost.Mailer(server.url).send(letter("never"))
        except everpost.CertificateError as error:
            assert pickle.loads(pickle.dumps(error)).verify_code == 10
        assert len(server.counts()) == 42
    print(f"everpost {everpost.__version__} works on Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
