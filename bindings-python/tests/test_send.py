from __future__ import annotations

import email
import io
import pickle
from email import policy
from email.message import EmailMessage, Message
from email.mime.text import MIMEText
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import everpost
import pytest
from everpost import Envelope, Mailer
from everpost.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_form_of_a_message_is_sent_as_it_is(
    server: Rehearsal, letter: Callable[..., bytes], tmp_path: Path
) -> None:
    raw = letter("m")
    path = tmp_path / "message.eml"
    path.write_bytes(raw)
    forms: list[Any] = [
        raw,
        raw.decode(),
        raw.decode().replace("\r\n", "\n"),
        bytearray(raw),
        memoryview(raw),
        io.BytesIO(raw),
        io.StringIO(raw.decode()),
        path,
    ]
    with Mailer(server.url) as mailer:
        for form in forms:
            assert mailer.send(form).message_id == "<m>"
    kept = server.received()
    assert [one.data.split(b"\r\n\r\n")[1] for one in kept] == [b"Hello\r\n"] * len(forms)
    assert {one.recipients for one in kept} == {("b@example.com",)}


def test_a_message_of_the_standard_library_arrives_with_its_words(server: Rehearsal) -> None:
    modern = EmailMessage()
    modern["From"] = "Änne <a@example.org>"
    modern["To"] = "Bob <b@example.com>, c@example.com"
    modern["Bcc"] = "d@example.com"
    modern["Subject"] = "Grüße"
    modern.set_content("Schöne Grüße\n")
    classic = MIMEText("Schöne Grüße\n", "plain", "utf-8")
    classic["From"], classic["To"] = "a@example.org", "b@example.com"
    with Mailer(server.url) as mailer:
        receipt = mailer.send(modern)
        assert receipt.accepted == ("b@example.com", "c@example.com", "d@example.com")
        mailer.send(classic)
    first, second = (
        email.message_from_bytes(one.data, policy=policy.default) for one in server.received()
    )
    assert first["Subject"] == "Grüße"
    assert first["Bcc"] is None
    assert [one.get_content().strip() for one in (first, second)] == ["Schöne Grüße"] * 2


def test_what_is_no_message_is_refused_by_its_type(server: Rehearsal) -> None:
    with Mailer(server.url) as mailer:
        for wrong in (None, 5, ["m"], {"a": 1}):
            with pytest.raises(TypeError, match="a message is"):
                mailer.send(wrong)  # type: ignore[arg-type]


def test_sender_and_recipients_stand_in_for_the_header(
    server: Rehearsal, letter: Callable[..., bytes], tmp_path: Path
) -> None:
    raw = letter("m", to="header@example.com")
    path = tmp_path / "message.eml"
    path.write_bytes(raw)
    with Mailer(server.url) as mailer:
        mailer.send(raw, sender="s@example.org")
        mailer.send(raw, recipients="r@example.com")
        mailer.send(path, recipients=["r@example.com", "q@example.com"])
        mailer.send(raw, sender="", recipients=["r@example.com"])
        mailer.send(raw, envelope=Envelope(None, "e@example.com", require_tls=False))
        with pytest.raises(TypeError, match="either an envelope"):
            mailer.send(raw, sender="s@example.org", envelope=Envelope(None, "e@example.com"))
    assert [(one.sender, one.recipients) for one in server.received()] == [
        ("s@example.org", ("header@example.com",)),
        ("a@example.org", ("r@example.com",)),
        ("a@example.org", ("r@example.com", "q@example.com")),
        ("", ("r@example.com",)),
        ("", ("e@example.com",)),
    ]


def test_what_an_envelope_asks_for_must_be_offered(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    with Mailer(server.plain_url) as mailer:
        # Only over TLS do servers offer REQUIRETLS.
        envelope = Envelope("a@example.org", "b@example.com", require_tls=True)
        with pytest.raises(everpost.UnsupportedError):
            mailer.send(letter("m"), envelope=envelope)
        for field, value in (("notify", "sometimes"), ("dsn_return", "half")):
            wrong = Envelope("a@example.org", "b@example.com", **{field: value})  # type: ignore[arg-type]
            with pytest.raises(everpost.MessageError, match=field):
                mailer.send(letter("m"), envelope=wrong)
    assert Envelope("a@b.c", ["d@e.f"], notify=["success", "delay"]).notify == "success,delay"


def test_a_large_message_that_is_shared_with_python_arrives_whole(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    body = "\r\n".join("x" * 70 for _ in range(20_000))
    with Mailer(server.url) as mailer:
        mailer.send(letter("m", body=body))
    assert server.received()[0].data.endswith(body.encode() + b"\r\n")


def test_rotations_are_invisible_to_eight_threads(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    errors: list[BaseException] = []
    with Mailer(server.url) as mailer:

        def send(thread: int) -> None:
            try:
                for number in range(40):
                    mailer.send(letter(f"{thread}.{number}"))
            except BaseException as error:  # noqa: BLE001
                errors.append(error)

        threads = [Thread(target=send, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for restart in (True, False, True):
            server.rotate(restart=restart)
        for thread in threads:
            thread.join()
        assert mailer.stats().accepted == 320
    assert not errors
    counts = server.counts()
    assert len(counts) == 320
    assert set(counts.values()) == {1}


def test_other_threads_run_while_one_waits(server: Rehearsal, letter: Callable[..., bytes]) -> None:
    with Mailer(server.url) as mailer:
        fault = server.inject("end_of_data", "stall")
        done = Event()

        def send() -> None:
            mailer.send(letter("m"))
            done.set()

        thread = Thread(target=send)
        thread.start()
        # Each of these runs while the thread is inside the library.
        server.wait(fault=fault)
        assert not done.is_set()
        server.request({"do": "release"})
        thread.join()
    assert done.is_set()


def test_a_batch_yields_every_result_and_counts(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    told: list[tuple[int, int, int]] = []
    taken = 0

    def messages() -> Any:
        nonlocal taken
        for number in range(300):
            taken += 1
            if number % 10 == 0:
                yield b"no header at all"
            elif number % 10 == 1:
                yield letter(str(number)), Envelope("x@example.org", "y@example.com")
            else:
                yield letter(str(number))

    with Mailer(server.url) as mailer:
        results = list(mailer.send_many(messages(), progress=lambda *it: told.append(it)))
        assert sorted(result.index for result in results) == list(range(300))
        failed = [result for result in results if not result.ok]
        assert {result.index % 10 for result in failed} == {0}
        assert isinstance(failed[0].error, everpost.MessageError)
        with pytest.raises(everpost.MessageError):
            failed[0].unwrap()
        assert told[-1] == (300, 270, 30)
        assert [done for done, _, _ in told] == list(range(1, 301))
    assert sum(server.counts().values()) == 270
    assert sum(one.sender == "x@example.org" for one in server.received()) == 30


def test_leaving_a_batch_cancels_the_rest_and_takes_no_more_messages(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    taken = 0

    def messages() -> Any:
        nonlocal taken
        while True:
            taken += 1
            yield letter(str(taken))

    with Mailer(server.url) as mailer:
        for result in mailer.send_many(messages()):
            result.unwrap()
            break
        before = taken
        mailer.close()
        assert taken == before < 1000
        stats = mailer.stats()
        assert stats.accepted + stats.not_sent + stats.unknown == taken


def test_a_timeout_of_one_send_ends_it_and_says_what_is_known(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    with Mailer(server.url) as mailer:
        mailer.send(letter("first"))
        server.inject("end_of_data", "stall", keep=True)
        with pytest.raises(everpost.DeliveryUnknownError) as caught:
            mailer.send(letter("late"), timeout=0.2)
        server.request({"do": "release"})
        receipt = mailer.late_verdict(caught.value, timeout=10)
        assert receipt is not None
        assert receipt.message_id == "<late>"
        server.inject("accept", "stall", on="every")
        server.request({"do": "drop", "how": "rst"})
        with pytest.raises(everpost.TimeoutError) as late:
            mailer.send(letter("never"), timeout=0.2)
        assert late.value.delivery == "not_sent"
        server.request({"do": "remove"})
    assert server.counts() == {"first": 1, "late": 1}


def test_a_closed_mailer_sends_no_more(server: Rehearsal, letter: Callable[..., bytes]) -> None:
    mailer = Mailer(server.url)
    states = [mailer.closed]
    mailer.close()
    mailer.close()
    states.append(mailer.closed)
    assert states == [False, True]
    with pytest.raises(everpost.ClosedError):
        mailer.send(letter("m"))


def test_a_receipt_says_what_the_server_said(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    refusal = {"pattern": "no@*", "reply": "550 5.1.1 nobody"}
    server.request({"do": "settings", "set": {"refuse_recipients": [refusal]}})
    with Mailer(server.url) as mailer:
        receipt = mailer.send(letter("m", to="b@example.com, no@example.com"))
    assert receipt.message_id == "<m>"
    assert (receipt.reply.code, receipt.reply.enhanced) == (250, "2.0.0")
    assert receipt.reply.text in str(receipt.reply)
    assert receipt.accepted == ("b@example.com",)
    assert [(one.address, one.reply.code) for one in receipt.rejected] == [("no@example.com", 550)]
    assert receipt.attempts == 1
    assert receipt.server == f"127.0.0.1:{server.port}"
    assert receipt.leaf is not None
    assert receipt.to_dict()["schema"] == "everpost.receipt/1"
    copy = pickle.loads(pickle.dumps(receipt))
    assert copy == receipt
    assert hash(copy) == hash(receipt)
    assert copy.reply == receipt.reply
    assert "<m>" in repr(copy)
    with pytest.raises(ValueError, match="receipt"):
        everpost.Receipt.from_json("{}")


def test_events_health_and_stats_tell_of_a_rotation(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    mailer = Mailer(server.url)
    events = mailer.events()
    mailer.send(letter("m"))
    server.rotate(restart=True)
    mailer.send(letter("n"))
    names = []
    for event in events:
        names.append(event.name)
        if event.name == "rotated":
            assert event.leaf is not None
            assert event.missed == 0
            break
    assert "retired" in names
    stats = mailer.stats()
    assert (stats.accepted, stats.rotations) == (2, 1)
    assert "everpost_" in stats.prometheus
    assert mailer.health().status == "healthy"
    assert mailer.explain().fault == "none"
    mailer.close()
    assert [event.name for event in events if event.name != "retired"] == []


def test_health_has_the_error_behind_it(server: Rehearsal, letter: Callable[..., bytes]) -> None:
    server.expire()
    with Mailer(server.url) as mailer:
        with pytest.raises(everpost.CertificateError):
            mailer.send(letter("m"))
        health = mailer.health()
        assert not health.ok
        assert isinstance(health.error, everpost.CertificateError)
        assert health.since is not None
        explanation = mailer.explain()
        assert explanation.fault == "certificate"
        assert explanation.remedy


def test_a_token_is_asked_for_and_why_there_is_none_is_told(letter: Callable[..., bytes]) -> None:
    asked = []

    def give() -> str:
        asked.append(1)
        return "canary-token"

    def fail() -> str:
        raise LookupError("canary-secret")

    with Rehearsal(tokens={"app": "canary-token"}) as server:
        with Mailer(server.url, username="app", token=give) as mailer:
            mailer.send(letter("m"))
            mailer.send(letter("n"))
        # Once for each session, of which some may have ended before.
        assert 1 <= len(asked) <= server.stats()["connections"]
        with Mailer(server.url, username="app", token="canary-token") as mailer:
            mailer.send(letter("o"))
        with (
            Mailer(server.url, username="app", token=fail) as mailer,
            pytest.raises(everpost.AuthenticationError) as caught,
        ):
            mailer.send(letter("p"))
        assert "LookupError" in caught.value.causes[0]
        assert "canary" not in caught.value.report + caught.value.json

    async def coroutine() -> str:
        return ""

    with pytest.raises(TypeError, match="AsyncMailer"):
        Mailer("smtps://mail.example.org", username="app", token=coroutine)


def test_a_message_without_policy_is_sent_too(server: Rehearsal) -> None:
    message = Message()
    message["From"], message["To"] = "a@example.org", "b@example.com"
    message.set_payload("Hello")
    with Mailer(server.url) as mailer:
        assert mailer.send(message).accepted == ("b@example.com",)
