"""The programs of the guide and the README are run, or compiled where they want a framework."""

from __future__ import annotations

import ast
import logging
import re
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import everpost
import pytest

if TYPE_CHECKING:
    from everpost.rehearsal import Rehearsal

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "docs/python.md", ROOT / "bindings-python/README.md"]
PROGRAM = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)

# What is not run here: it has tests of its own, waits for ever, or needs others' servers.
ELSEWHERE = (
    "fastapi",
    "flask",
    "celery",
    "settings.py",
    "EVERPOST =",
    "everpost import smtplib",
    "def test_",
    "asyncio.timeout",
    "everpost.watch",
    "for event in",
    "outlook.example",
    "late_verdict(error",
    'host="mail.example.org"',
)


def programs() -> list[tuple[str, str]]:
    found = []
    for path in FILES:
        for number, (indent, text) in enumerate(PROGRAM.findall(path.read_text("utf-8"))):
            found.append(
                (f"{path.stem}-{number}", re.sub(f"^{indent}", "", text, flags=re.MULTILINE))
            )
    return found


def test_every_program_of_the_guide_compiles_and_names_what_there_is() -> None:
    assert len(programs()) > 12
    for name, text in programs():
        for node in ast.walk(ast.parse(text, name)):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "everpost"
            ):
                assert hasattr(everpost, node.attr), f"{name}: everpost.{node.attr}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_programs_of_the_guide_run(path: Path, server: Rehearsal) -> None:
    def made(number: int) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = "app@example.org", "ann@example.com"
        message["Message-ID"] = f"<{number}@guide>"
        return message

    names: dict[str, Any] = {
        "messages": [made(number) for number in range(3)],
        "log": logging.getLogger("guide"),
        "queue": [],
    }
    run = 0
    for name, text in programs():
        if not name.startswith(path.stem) or any(word in text for word in ELSEWHERE):
            continue
        program = text.replace("smtps://app:secret@mail.example.org", server.url)
        exec(compile(program, name, "exec"), names)
        run += 1
    assert run >= 1
    if "main" in names:
        import asyncio  # noqa: PLC0415

        asyncio.run(names["main"]())
    names["mailer"].close()
    assert server.received()
