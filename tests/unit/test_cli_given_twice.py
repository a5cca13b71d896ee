"""An option that keeps one value is refused where it is given twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from command_line import command_line

from crashloop.cli import app
from crashloop.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def options(command: str, *, repeatable: bool) -> Iterator[str]:
    """Every option of a command that has a value."""
    for each in COMMANDS[command].params:
        has_value = each.param_type_name == "option" and not each.is_flag
        if has_value and each.multiple is repeatable:
            yield max(each.opts, key=len)


def parsed(command: str, *words: str) -> None:
    """Parse the words of a command, which is not run."""
    COMMANDS[command].make_context(f"crashloop {command}", list(words))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_with_one_value_is_refused_when_it_is_given_twice(command: str) -> None:
    for option in options(command, repeatable=False):
        with pytest.raises(UsageError, match=f"{option} was given 2 times") as refusal:
            parsed(command, option, "1", f"{option}=2")
        assert f"crashloop {command} --help" in refusal.value.hint


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_that_can_be_repeated_says_so_and_is_not_refused(command: str) -> None:
    for option in options(command, repeatable=True):
        with pytest.raises(Exception, match="No such option"):
            parsed(command, option, "a=1", option, "b=2", "--no-such-option")
        (says,) = [each.help for each in COMMANDS[command].params if option in each.opts]
        assert "can be repeated" in says


def test_a_second_fault_is_refused_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    status, _, err = command_line("reproduce", "--fault", "hold", "--fault", "latency")

    assert status == 2
    assert "--fault was given 2 times" in err
    assert list(tmp_path.iterdir()) == []


def test_a_flag_may_be_given_twice() -> None:
    assert command_line("faults", "hold", "--json", "--json")[0] == 0
