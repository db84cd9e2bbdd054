"""Access tokens: the user's callable, as the native layer asks for it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from everpost._native import TokenRequest
    from everpost._options import Token


def asker(token: Token | str | None) -> Callable[[TokenRequest], None] | None:
    """What answers requests for tokens on a thread of its own."""
    if token is None:
        return None
    if isinstance(token, str):
        return lambda request: request.answer(token)
    if inspect.iscoroutinefunction(token):
        raise TypeError("a Mailer has no event loop to run a coroutine on: use AsyncMailer")

    def ask(request: TokenRequest) -> None:
        answer(request, token)

    return ask


def answer(request: TokenRequest, token: Callable[[], Any]) -> None:
    """Answer with what ``token`` returns, or with why it does not."""
    try:
        request.answer(token())
    except Exception as error:  # noqa: BLE001
        refuse(request, error)


def refuse(request: TokenRequest, error: BaseException) -> None:
    """Answer that there is no token. The exception's text may hold one: its kind alone is told."""
    request.refuse(f"the token provider raised {type(error).__name__}")
