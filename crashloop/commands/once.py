"""A command that refuses an option given twice, and says what Ctrl-C has interrupted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperOption

from crashloop.errors import InterruptionError, UsageError


class OnceCommand(TyperCommand):
    """A command whose options are given once, except for those that can be repeated.

    The library below keeps the last value of such an option, and drops the others in silence. A
    flag means the same however often it is given.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words of the command line; UsageError for an option that was given twice."""
        _, _, given = self.make_parser(ctx).parse_args(args=[*args])
        for option, times in Counter(given).items():
            if isinstance(option, TyperOption) and times > 1 and _keeps_one(option):
                raise UsageError(
                    f"{max(option.opts, key=len)} was given {times} times, and takes one value",
                    hint=f"give it once; {ctx.command_path} --help says which can be repeated",
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; InterruptionError where an interrupt says what it came in."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as end:  # of which the library below keeps no word
            if not end.args:
                raise
            raise InterruptionError(f"interrupted {end}") from None


def _keeps_one(option: TyperOption) -> bool:
    return not (option.multiple or option.is_flag or option.count)
