"""The guides: their programs are programs, of names that there are."""

from __future__ import annotations

import ast
import importlib
import re
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
GUIDES = {name: (DOCS / name).read_text("utf-8") for name in ("python.md", "python-frameworks.md")}
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
BLOCKS = [textwrap.dedent(one[2]) for text in GUIDES.values() for one in BLOCK.finditer(text)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_a_program_of_the_guide_imports_what_there_is(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for name in node.names:
                assert hasattr(module, name.name) or importlib.import_module(
                    f"{node.module}.{name.name}"
                )
        elif isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)


def test_the_guide_names_each_framework() -> None:
    text = GUIDES["python-frameworks.md"]
    for title in ("Django", "smtplib", "aiosmtplib", "Flask", "FastAPI", "Celery"):
        assert f"\n## {title}\n" in text
    assert len(BLOCKS) > 20
