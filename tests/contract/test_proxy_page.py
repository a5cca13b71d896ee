"""The examples of docs/proxy.md work unchanged, one after the other, on one proxy."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from toxiproxy_server import running

from tests.contract.api import Api

PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
LIMIT_S = 30


def examples(api: str) -> list[str]:
    """The page's blocks of code, with this test's port of the API, and any port to listen on."""
    text = PAGE.read_text().replace("8474", api)
    text = text.replace("127.0.0.1:6543", "127.0.0.1:0").replace("127.0.0.1:6380", "127.0.0.1:0")
    return re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_run_together(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("the page's first example needs curl")
    with running("built-in", tmp_path) as server, Api(server.url) as api:
        blocks = examples(server.url.rpartition(":")[2])
        (shell,) = (block for block in blocks if block.startswith("crashloop proxy --seed"))
        (python,) = (block for block in blocks if "import" in block)
        start, *calls = shell.splitlines()
        assert start == "crashloop proxy --seed 7 &"
        for command in (["sh", "-ec", "\n".join(calls)], [sys.executable, "-c", python]):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
            assert done.returncode == 0, done.stderr
            assert '"error"' not in done.stdout, done.stdout
        shown = {name: api.proxy(name).show() for name in ("db", "cache")}
    assert shown["db"]["toxics"] == []
    assert [toxic["attributes"]["connections"] for toxic in shown["cache"]["toxics"]] == [2]
    assert "toxic.removed" in done.stdout
