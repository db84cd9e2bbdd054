from __future__ import annotations

import asyncio
import builtins
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import everpost
import pytest
from everpost import AsyncMailer
from everpost.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]


def test_many_tasks_send_through_rotations(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:

            async def some(task: int) -> None:
                for number in range(25):
                    await mailer.send(letter(f"{task}.{number}"))

            tasks = [asyncio.ensure_future(some(task)) for task in range(16)]
            for restart in (True, False, True):
                await asyncio.to_thread(server.rotate, restart=restart)
            await asyncio.gather(*tasks)
            assert (await mailer.stats()).accepted == 400
        assert mailer.closed

    run(main())
    counts = server.counts()
    assert len(counts) == 400
    assert set(counts.values()) == {1}


def test_a_mailer_serves_one_loop_after_the_other(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    mailer = AsyncMailer(server.url)
    for number in range(3):
        receipt = asyncio.run(mailer.send(letter(str(number))))
        # What is left over from the loop before would cost an attempt.
        assert receipt.attempts == 1
    asyncio.run(mailer.aclose())
    with pytest.raises(everpost.ClosedError):
        asyncio.run(mailer.send(letter("m")))
    assert len(server.counts()) == 3


def test_a_cancelled_task_says_that_the_message_was_not_sent(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            fault = server.inject("mail", "stall")
            task = asyncio.ensure_future(mailer.send(letter("m")))
            await asyncio.to_thread(server.wait, fault=fault)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert task.cancelled()
            cause = everpost.outcome(caught.value)
            assert isinstance(cause, everpost.CancelledError)
            assert (cause.delivery, cause.receipt) == ("not_sent", None)
            server.request({"do": "release"})
            await mailer.send(letter("n"))

    run(main())
    assert server.counts() == {"n": 1}


def test_a_task_cancelled_after_the_dot_says_that_delivery_is_unknown(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            fault = server.inject("end_of_data", "stall")
            task = asyncio.ensure_future(mailer.send(letter("m")))
            await asyncio.to_thread(server.wait, fault=fault)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            cause = everpost.outcome(caught.value)
            assert isinstance(cause, everpost.DeliveryUnknownError)
            assert cause.late_verdict_possible
            assert await mailer.late_verdict(cause, timeout=0.01) is None
            server.request({"do": "release"})
            receipt = await mailer.late_verdict(cause)
            assert receipt is not None
            assert receipt.message_id == "<m>"

    run(main())


def test_a_result_that_comes_with_the_cancellation_is_not_lost(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            task = asyncio.ensure_future(mailer.send(letter("m")))
            # Runs until it waits; then the loop is held until it is over.
            await asyncio.sleep(0)
            server.wait(messages=1)
            while (await mailer.stats()).accepted == 0:
                pass
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            cause = everpost.outcome(caught.value)
            assert isinstance(cause, everpost.CancelledError)
            assert cause.delivery == "accepted"
            assert cause.receipt is not None
            assert cause.receipt.message_id == "<m>"

    run(main())


def test_a_result_that_the_cancelled_task_has_not_seen_yet_is_not_lost(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            task: Any = asyncio.ensure_future(mailer.send(letter("m")))
            await asyncio.sleep(0)
            while not task._fut_waiter.done():  # noqa: ASYNC110
                await asyncio.sleep(0)
            # The future has the receipt, and the task does not run before this.
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await asyncio.wait_for(task, 20)
            cause = everpost.outcome(caught.value)
            assert isinstance(cause, everpost.CancelledError)
            assert cause.receipt is not None

    run(main())


def test_loops_in_several_threads_share_a_mailer(
    server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    mailer = AsyncMailer(server.url)

    async def some(thread: int) -> None:
        for number in range(50):
            await asyncio.wait_for(mailer.send(letter(f"{thread}.{number}")), 20)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda thread: asyncio.run(some(thread)), range(4)))
    asyncio.run(mailer.aclose())
    assert len(server.counts()) == 200


def test_a_deadline_of_asyncio_ends_a_send(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            server.inject("mail", "stall", on="every")
            with pytest.raises((builtins.TimeoutError, asyncio.TimeoutError)) as caught:
                await asyncio.wait_for(mailer.send(letter("m")), 0.05)
            cause = everpost.outcome(caught.value)
            assert isinstance(cause, everpost.CancelledError)
            assert cause.delivery == "not_sent"
            with pytest.raises(everpost.TimeoutError):
                await mailer.send(letter("m"), timeout=0.05)
            server.request({"do": "remove"})
            server.request({"do": "release"})

    run(main())
    assert server.counts() == {}


def test_a_batch_yields_results_and_ends_with_its_task(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            done = []
            messages = (letter(str(number)) for number in range(300))
            async for result in mailer.send_many(messages, progress=lambda *it: done.append(it)):
                result.unwrap()
            assert done[-1] == (300, 300, 0)

            server.inject("end_of_data", "stall", on="every")

            async def rest() -> None:
                async for _ in mailer.send_many(letter(f"r{number}") for number in range(50)):
                    pass

            task = asyncio.ensure_future(rest())
            while (await mailer.stats()).queued == 0:  # noqa: ASYNC110
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.request({"do": "remove"})
            server.request({"do": "release"})

    run(main())


def test_events_come_until_the_mailer_is_closed(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        mailer = AsyncMailer(server.url)
        events = mailer.events()
        names = []

        async def listen() -> None:
            names.extend([event.name async for event in events])

        task = asyncio.ensure_future(listen())
        await mailer.send(letter("m"))
        await asyncio.to_thread(server.rotate, restart=True)
        await mailer.send(letter("n"))
        assert (await mailer.health()).ok
        assert (await mailer.explain()).fault == "none"
        await mailer.aclose()
        await task
        assert "rotated" in names

    run(main())


def test_a_coroutine_gives_tokens_on_the_loop(run: Run, letter: Callable[..., bytes]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        asked = []

        async def token() -> str:
            asked.append(asyncio.get_running_loop())
            await asyncio.sleep(0)
            return "canary-token"

        async def fail() -> str:
            raise LookupError("canary-secret")

        with Rehearsal(tokens={"app": "canary-token"}) as server:
            async with AsyncMailer(server.url, username="app", token=token) as mailer:
                await mailer.send(letter("m"))
            assert asked == [loop]
            async with AsyncMailer(server.url, username="app", token=fail) as mailer:
                with pytest.raises(everpost.AuthenticationError) as caught:
                    await mailer.send(letter("m"))
            assert "LookupError" in caught.value.causes[0]

    run(main())


def test_the_loop_runs_while_messages_are_under_way(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            fault = server.inject("end_of_data", "stall")
            task = asyncio.ensure_future(mailer.send(letter("m")))
            await asyncio.to_thread(server.wait, fault=fault)
            for _ in range(100):
                await asyncio.sleep(0)
            assert not task.done()
            server.request({"do": "release"})
            await task

    run(main())


def test_closing_waits_as_long_as_it_may(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        mailer = AsyncMailer(server.url)
        fault = server.inject("end_of_data", "stall")
        task = asyncio.ensure_future(mailer.send(letter("m")))
        await asyncio.to_thread(server.wait, fault=fault)
        with pytest.raises(everpost.TimeoutError):
            await mailer.aclose(timeout=0.05)
        server.request({"do": "release"})
        assert (await task).message_id == "<m>"
        await mailer.aclose()

    run(main())


def test_no_task_is_left_waiting_however_closely_results_come(
    run: Run, server: Rehearsal, letter: Callable[..., bytes]
) -> None:
    async def main() -> None:
        async with AsyncMailer(server.url) as mailer:
            for _ in range(60):
                sends = asyncio.gather(*(mailer.send(letter("m")) for _ in range(50)))
                await asyncio.wait_for(sends, 20)

    server.request({"do": "settings", "set": {"forget_bodies": True}})
    run(main())
    assert server.counts() == {"m": 3000}
