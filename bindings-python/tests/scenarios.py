"""Carries out the scenarios of ``tests/scenarios``, by the blocking API or by asyncio.

docs/scenarios.md has the format; ``core/examples/scenarios`` is the model. It
reports what it saw, one line of JSON per scenario, and judges nothing.
"""

from __future__ import annotations

import _thread
import argparse
import asyncio
import contextlib
import json
import re
import sys
import tempfile
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import everpost
from everpost import AsyncMailer, CertificateFile, Envelope, Error, Mailer
from everpost.rehearsal import Rehearsal, RehearsalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from everpost import Receipt

PATIENCE = 30.0
"""No scenario takes longer, in seconds."""

Json = dict[str, Any]


class Server:
    """The server, and all that it has said, newer over older."""

    def __init__(self, options: Json) -> None:
        self._rehearsal = Rehearsal(**options)
        self.known = self._rehearsal.listening

    def ask(self, request: Json) -> Json:
        """Ask for something, which may be refused."""
        try:
            answer = self._rehearsal.request(self.fill(request))
        except RehearsalError as error:
            answer = {"ok": False, "error": str(error)}
        self.known.update(answer)
        return answer

    def must(self, request: Json) -> Json:
        """Ask for what must work."""
        answer = self.ask(request)
        if not answer["ok"]:
            raise RuntimeError(f"{request}: {answer}")
        return answer

    def fill(self, value: Any) -> Any:
        """Replace every ``${path}`` in the texts of ``value`` by what is known."""
        if isinstance(value, dict):
            return {name: self.fill(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if not isinstance(value, str):
            return value
        whole = re.fullmatch(r"\$\{([^}]*)\}", value)
        if whole:
            return self._look(whole[1])
        return re.sub(r"\$\{([^}]*)\}", lambda found: str(self._look(found[1])), value)

    def _look(self, path: str) -> Any:
        value: Any = self.known
        for name in path.split("."):
            value = value[name]
        return value

    def stop(self) -> None:
        self._rehearsal.stop()


def client_options(server: Server, client: Json, folder: Path) -> tuple[str, Json]:
    """The URL and the keywords of a scenario's client."""
    options: Json = {}
    if client["trust"]:
        options["trust"] = server.known["ca_pem"].encode()
    if client["identity"]:
        both = folder / "identity.pem"
        both.write_text(server.known["chain_pem"] + server.known["key_pem"])
        options["identity"] = both
    if client["tokens"] is not None:
        answers = deque(client["tokens"]["answers"])
        options["username"] = client["tokens"]["user"]
        options["token"] = lambda: answers.popleft() if len(answers) > 1 else answers[0]
    return server.fill(client["url"]), options


def letter(message: Json) -> tuple[bytes, Envelope | None]:
    """A message, and its envelope if that is not in its header."""
    given = message["envelope"]
    if given is None:
        return message["raw"].encode(), None
    dsn = given["dsn"] or {}
    envelope = Envelope(
        given["from"],
        given["to"],
        require_tls=given["require_tls"],
        envid=dsn.get("envid"),
        dsn_return=dsn.get("return"),
        notify=dsn.get("notify"),
    )
    return message["raw"].encode(), envelope


def pair(message: Json) -> Any:
    """The same as batches take it."""
    raw, envelope = letter(message)
    return raw if envelope is None else (raw, envelope)


def outcome(result: Receipt | BaseException | None) -> Json:
    """What a send came to, in the words of every language."""
    if isinstance(result, (asyncio.CancelledError, KeyboardInterrupt)):
        return {"kind": "cancelled"}
    if result is None:
        return {"delivery": None}
    rejected = [
        {"address": one.address, "reply": one.reply.code} for one in getattr(result, "rejected", ())
    ]
    if isinstance(result, everpost.Receipt):
        return {
            "delivery": "accepted",
            "message_id": result.message_id,
            "reply": result.reply.code,
            "attempts": result.attempts,
            "accepted": list(result.accepted),
            "rejected": rejected,
            "leaf": result.leaf,
        }
    if not isinstance(result, Error):
        raise result
    # Whatever an exception shows is looked through for secrets.
    everything = f"{result!r} {result.report} {result.json}"
    certificate = result.certificate
    return {
        "kind": result.kind,
        "stage": result.stage,
        "delivery": result.delivery,
        "retryable": result.retryable,
        "attempts": result.attempts,
        "message": str(result),
        "hint": result.hint,
        "message_id": result.message_id,
        "reply": result.reply and result.reply.code,
        "enhanced": result.reply and result.reply.enhanced,
        "rejected": rejected,
        "findings": certificate and [one.id for one in certificate.findings],
        "late_verdict": result.late_verdict_possible,
        "everything": everything,
    }


def counters(stats: everpost.Stats) -> Json:
    names = "accepted refused unknown not_sent retries opened full_handshakes resumed_handshakes"
    return {name: getattr(stats, name) for name in [*names.split(), "rotations"]}


def verified(capabilities: Json) -> Json:
    extensions = capabilities["extensions"]
    offered = {one["keyword"]: one["parameters"] for one in extensions}
    return {"delivery": None, "offered": offered}


def explained(explanation: everpost.Explanation) -> Json:
    return {
        "fault": explanation.fault,
        "remedy": explanation.remedy,
        "served": explanation.served and explanation.served.sha256,
    }


def probed(report: everpost.Report) -> Json:
    return {"status": report.status, "findings": [one.id for one in report.all_findings()]}


def diagnosed(diagnosis: everpost.Diagnosis) -> Json:
    return {
        "holds": diagnosis.holds,
        "step": diagnosis.failed_at,
        "cause": diagnosis.cause and diagnosis.cause.id,
        "remedy": diagnosis.remedy,
    }


def ladder(step: Json) -> Json:
    """The keywords of a diagnosis."""
    size = {} if step["size"] is None else {"size": step["size"]}
    return {"from_": step["from"], "to": step["to"], "looks": False, **size}


def last_error(results: list[Any]) -> Error | None:
    errors = [one for one in results if isinstance(one, Error)]
    return errors[-1] if errors else None


class Blocking:
    """A client by the blocking API, on the main thread."""

    def __init__(self, server: Server, url: str, options: Json) -> None:
        self.server, self.url, self.options = server, url, options
        self.mailer = Mailer(url, **options)
        self.events = self.mailer.events()
        self.late: Error | None = None

    def step(self, step: Json) -> Json:
        seen: Json = getattr(self, f"do_{step['do']}")(step)
        return seen

    def do_send(self, step: Json) -> Json:
        if step["cancel"]:
            return {"outcomes": [self._interrupted(step)]}
        with ThreadPoolExecutor(len(step["messages"])) as threads:
            sends = [threads.submit(self._send, message) for message in step["messages"]]
            for request in step["meanwhile"]:
                self.server.must(request)
            return self._outcomes([send.result() for send in sends])

    def _send(self, message: Json) -> Any:
        try:
            raw, envelope = letter(message)
            return self.mailer.send(raw, envelope=envelope)
        except Error as error:
            return error

    def _interrupted(self, step: Json) -> Json:
        """A blocking send is cancelled by Ctrl-C."""
        [message] = step["messages"]

        def interrupt() -> None:
            for request in step["meanwhile"]:
                self.server.must(request)
            _thread.interrupt_main()

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            return outcome(self._send(message))
        except KeyboardInterrupt as interrupted:
            return outcome(interrupted)
        finally:
            thread.join()

    def do_send_all(self, step: Json) -> Json:
        results = sorted(
            self.mailer.send_many(map(pair, step["messages"])), key=lambda one: one.index
        )
        return self._outcomes([one.receipt if one.ok else one.error for one in results])

    def _outcomes(self, results: list[Any]) -> Json:
        self.late = last_error(results) or self.late
        return {"outcomes": [outcome(one) for one in results]}

    def do_server(self, step: Json) -> Json:
        return self.server.ask(step["request"])

    def do_event(self, step: Json) -> Json:
        for event in self.events:
            if event.name == step["event"]:
                return {"event": event.name}
        raise RuntimeError("the events ended")

    def do_late_verdict(self, _: Json) -> Json:
        if self.late is None:
            raise RuntimeError("no late verdict to wait for")
        try:
            return outcome(self.mailer.late_verdict(self.late))
        except Error as error:
            return outcome(error)

    def do_verify(self, _: Json) -> Json:
        try:
            return verified(self.mailer.verify())
        except Error as error:
            return outcome(error)

    def do_health(self, _: Json) -> Json:
        return {"status": self.mailer.health().status}

    def do_stats(self, _: Json) -> Json:
        return counters(self.mailer.stats())

    def certificate_file(self, step: Json) -> CertificateFile | None:
        """The file that a step names."""
        file = step["file"]
        return None if file is None else CertificateFile.parse(self.server.fill(file).encode())

    def do_explain(self, step: Json) -> Json:
        return explained(self.mailer.explain(self.certificate_file(step)))

    def do_probe(self, step: Json) -> Json:
        target = self.server.fill(step["target"])
        return probed(everpost.probe(target, trust=self.options.get("trust")))

    def do_diagnose(self, step: Json) -> Json:
        return diagnosed(everpost.diagnose(self.url, **ladder(step), **self.options))

    def do_close(self, _: Json) -> Json:
        self.mailer.close()
        return {}


class Asyncio(Blocking):
    """A client by asyncio; what waits returns an awaitable."""

    mailer: Any

    def __init__(self, server: Server, url: str, options: Json) -> None:
        if "token" in options:
            token = options["token"]

            async def coroutine() -> str:
                await asyncio.sleep(0)
                return str(token())

            options = {**options, "token": coroutine}
        self.server, self.url, self.options = server, url, options
        self.mailer = AsyncMailer(url, **options)
        self.events = self.mailer.events()
        self.late = None

    async def run(self, step: Json) -> Json:
        seen = self.step(step)
        return await seen if asyncio.iscoroutine(seen) else seen

    async def do_send(self, step: Json) -> Json:  # type: ignore[override]
        sends = [asyncio.ensure_future(self._one(message)) for message in step["messages"]]
        for request in step["meanwhile"]:
            await asyncio.to_thread(self.server.must, request)
        if step["cancel"]:
            for send in sends:
                send.cancel()
        return self._outcomes(await asyncio.gather(*sends, return_exceptions=True))

    async def _one(self, message: Json) -> Any:
        raw, envelope = letter(message)
        return await self.mailer.send(raw, envelope=envelope)

    async def do_send_all(self, step: Json) -> Json:  # type: ignore[override]
        results = [one async for one in self.mailer.send_many(map(pair, step["messages"]))]
        results.sort(key=lambda one: one.index)
        return self._outcomes([one.receipt if one.ok else one.error for one in results])

    async def do_server(self, step: Json) -> Json:  # type: ignore[override]
        return await asyncio.to_thread(self.server.ask, step["request"])

    async def do_event(self, step: Json) -> Json:  # type: ignore[override]
        async for event in self.events:  # type: ignore[attr-defined]
            if event.name == step["event"]:
                return {"event": event.name}
        raise RuntimeError("the events ended")

    async def do_late_verdict(self, _: Json) -> Json:  # type: ignore[override]
        if self.late is None:
            raise RuntimeError("no late verdict to wait for")
        try:
            return outcome(await self.mailer.late_verdict(self.late))
        except Error as error:
            return outcome(error)

    async def do_verify(self, _: Json) -> Json:  # type: ignore[override]
        try:
            return verified(await self.mailer.verify())
        except Error as error:
            return outcome(error)

    async def do_health(self, _: Json) -> Json:  # type: ignore[override]
        return {"status": (await self.mailer.health()).status}

    async def do_stats(self, _: Json) -> Json:  # type: ignore[override]
        return counters(await self.mailer.stats())

    async def do_explain(self, step: Json) -> Json:  # type: ignore[override]
        return explained(await self.mailer.explain(self.certificate_file(step)))

    async def do_probe(self, step: Json) -> Json:  # type: ignore[override]
        target = self.server.fill(step["target"])
        return probed(await everpost.aprobe(target, trust=self.options.get("trust")))

    async def do_diagnose(self, step: Json) -> Json:  # type: ignore[override]
        # A diagnosis has no loop of its own for a coroutine.
        options = {name: one for name, one in self.options.items() if name != "token"}
        return diagnosed(await everpost.adiagnose(self.url, **ladder(step), **options))

    async def do_close(self, _: Json) -> Json:  # type: ignore[override]
        await self.mailer.aclose()
        return {}


@contextlib.contextmanager
def prepared(scenario: Json) -> Iterator[tuple[Server, str, Json]]:
    """A server as the scenario wants it, and what its client is told."""
    server = Server(scenario["server"])
    try:
        for request in scenario["setup"]:
            server.must(request)
        with tempfile.TemporaryDirectory() as folder:
            yield server, *client_options(server, scenario["client"], Path(folder))
    finally:
        server.stop()


def at_the_end(server: Server) -> Json:
    # What is still on its way arrives before it is counted.
    server.must({"do": "wait", "closed": True})
    return {
        "copies": server.must({"do": "counts"})["counts"],
        "server": server.must({"do": "stats"})["stats"],
    }


def blocking(scenario: Json) -> Json:
    with prepared(scenario) as (server, url, options):
        seen: Json = {"listening": dict(server.known), "client": {}, "steps": []}
        try:
            client = Blocking(server, url, options)
        except Error as error:
            seen["client"] = outcome(error)
        else:
            seen["steps"] = [client.step(step) for step in scenario["steps"]]
            client.mailer.close()
        return {**seen, "end": at_the_end(server)}


def by_asyncio(scenario: Json) -> Json:
    async def main() -> Json:
        with prepared(scenario) as (server, url, options):
            seen: Json = {"listening": dict(server.known), "client": {}, "steps": []}
            try:
                client = Asyncio(server, url, options)
            except Error as error:
                seen["client"] = outcome(error)
            else:
                seen["steps"] = [await client.run(step) for step in scenario["steps"]]
                await client.mailer.aclose()
            return {**seen, "end": await asyncio.to_thread(at_the_end, server)}

    return asyncio.run(main())


def main() -> None:
    """Carry out every scenario of a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", choices=["sync", "async"], required=True)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    carry_out = blocking if arguments.api == "sync" else by_asyncio
    for scenario in json.loads(arguments.file.read_text(encoding="utf-8"))["scenarios"]:
        line: Json = {"scenario": scenario["name"], "ok": False}
        watchdog = threading.Timer(PATIENCE, _thread.interrupt_main)
        watchdog.daemon = True
        watchdog.start()
        try:
            line.update(ok=True, seen=carry_out(scenario))
        except KeyboardInterrupt:
            line["why"] = "it did not end in 30 s"
        except Exception as error:  # noqa: BLE001
            line["why"] = f"{type(error).__name__}: {error}"
        finally:
            watchdog.cancel()
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
