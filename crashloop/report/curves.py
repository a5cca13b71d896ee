"""A comparison as pictures: success by time limit, and recovery by remedy. Pure: bytes, no files.

matplotlib is the extra `campaign`, and is imported when a picture is drawn.
"""

from __future__ import annotations

import io
import re
import textwrap
from typing import TYPE_CHECKING, Any

from crashloop.durations import plain
from crashloop.plural import counted
from crashloop.report.clean import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from crashloop.model.comparison import Arm, Comparison, Rate

FORMATS = ("png", "svg")
MAX_NAME, MAX_CONNECTOR = 28, 16
MAX_SOURCE = 200
WIDTH_IN, DPI = 8.0, 150
FOOT_CHARS, TITLE_CHARS = 145, 74

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Colours that colour-blind people tell apart (Okabe and Ito, Color Universal Design, 2008)."""
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, MUTED, FAINT = "#222222", "#595959", "#d0d0d0"

_LIMIT = re.compile(r"limit=(?P<limit_s>\d+(?:\.\d+)?)")
_STYLE: dict[Any, Any] = {  # the names that it may have differ by version
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "crashloop",  # the same comparison gives the same file
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}


def pictures(comparison: Comparison, *, sources: Mapping[str, str]) -> dict[str, bytes]:
    """Each picture of a comparison by its file's name, as PNG and as SVG.

    `sources` says where the figures of each connector profile come from. A picture for which there
    is nothing to draw is left out. ImportError without matplotlib.
    """
    import matplotlib as mpl  # noqa: PLC0415  an extra, and slow to import

    found: dict[str, bytes] = {}
    with mpl.rc_context(_STYLE):
        for name, figure in (
            ("success-by-limit", success_by_limit(comparison, sources)),
            ("recovery-by-remedy", recovery_by_remedy(comparison, sources)),
        ):
            if figure is not None:
                found |= {f"{name}.{each}": _written(figure, each) for each in FORMATS}
    return found


def limits_of(comparison: Comparison) -> dict[str, list[tuple[float, Arm]]]:
    """For each connector the arms that only change the time limit and have a rate, by limit."""
    found: dict[str, list[tuple[float, Arm]]] = {}
    for arm in comparison.arms:
        limit = _LIMIT.fullmatch(arm.remedy)
        if limit is not None and arm.success.rate is not None:
            found.setdefault(arm.connector, []).append((float(limit["limit_s"]), arm))
    return {name: sorted(arms, key=lambda each: each[0]) for name, arms in found.items()}


def success_by_limit(comparison: Comparison, sources: Mapping[str, str]) -> Figure | None:
    """Start-up success against the time limit, a line for each connector; None without limits."""
    lines = limits_of(comparison)
    if not lines:
        return None
    figure, axes = _figure(height_in=4.8)
    limits = sorted({limit_s for points in lines.values() for limit_s, _ in points})
    step = (limits[-1] - limits[0]) / 100
    for n, (connector, points) in enumerate(lines.items()):
        aside = (n - (len(lines) - 1) / 2) * step  # so that intervals do not cover each other
        axes.errorbar(
            [limit_s + aside for limit_s, _ in points],
            [_percent(arm.success.rate) for _, arm in points],
            yerr=[*zip(*(_around(arm.success) for _, arm in points), strict=True)],
            label=_connector(connector),
            color=COLOURS[n % len(COLOURS)],
            marker=MARKERS[n % len(MARKERS)],
            markersize=6,
            linewidth=1.8,
            elinewidth=1.2,
            capsize=3,
        )
    _criteria_lines(axes, comparison)
    axes.set_xticks(limits, [plain(each) for each in limits])
    axes.set_ylim(-3, 103)
    axes.set_yticks(range(0, 101, 20), [f"{each} %" for each in range(0, 101, 20)])
    axes.set_xlabel("time limit of the phase (seconds of the incident)")
    axes.set_ylabel("lives that became ready")
    figure.suptitle(_title("Start-up success by time limit", comparison), x=0.01, ha="left")
    if len(lines) > 1:
        axes.legend(title="connector profile", loc="lower right")
    trials = [arm.counted for points in lines.values() for _, arm in points]
    note = f"{_trials(trials)} for each point; bars are 95 % intervals (Wilson, by trials)"
    _foot(figure, comparison, note, _sources(lines, sources))
    return figure


def recovery_by_remedy(comparison: Comparison, sources: Mapping[str, str]) -> Figure | None:
    """Seconds from the heal until ready for each arm: median and 90th percentile.

    None if no arm has a counted trial.
    """
    arms = [arm for arm in comparison.arms if arm.counted]
    if not arms:
        return None
    figure, axes = _figure(height_in=1.9 + 0.32 * len(arms))
    known = [s for arm in arms for s in (arm.recovery.median, arm.recovery.p90) if s is not None]
    end_s = max([*known, 1.0])
    for row, arm in enumerate(arms):
        _recovery(axes, row, arm, end_s)
    several = len({arm.connector for arm in arms}) > 1
    names = [
        label(arm.remedy, MAX_NAME) + (f" ({_connector(arm.connector)})" if several else "")
        for arm in arms
    ]
    axes.set_yticks(range(len(arms)), names, color=INK)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_xlim(-0.02 * end_s, 1.1 * end_s)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(
        "from the heal until a replica was ready (seconds of the incident,\n"
        "in which real work counts as long as it takes here)"
    )
    figure.suptitle(_title("Recovery by remedy", comparison), x=0.01, ha="left")
    axes.legend(
        handles=[_dot(filled=True), _dot(filled=False)],
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        ncols=2,
        handletextpad=0.2,
    )
    note = f"{_trials([arm.counted for arm in arms])} for each arm; 0 s: ready before the heal"
    if any(arm.recovery.median is not None and arm.recovery.p90 is None for arm in arms):
        note += "; arrow: not before the trial ended"
    _foot(figure, comparison, note, _sources({arm.connector for arm in arms}, sources))
    return figure


def _figure(*, height_in: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # noqa: PLC0415  likewise

    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained")
    return figure, figure.subplots()


def _recovery(axes: Axes, row: int, arm: Arm, end_s: float) -> None:
    median, p90 = arm.recovery.median, arm.recovery.p90
    colour = COLOURS[0] if arm.has_remedy else COLOURS[1]
    if median is None:
        says = "most replicas were not ready before the trial ended"
        axes.text(0.01 * end_s, row, says, va="center", color=MUTED, style="italic", fontsize=9)
        return
    if p90 is None:
        axes.plot([median, 1.06 * end_s], [row, row], color=colour, linewidth=1.4)
        axes.plot([1.06 * end_s], [row], marker=">", color=colour, markersize=6)
    else:
        axes.plot([median, p90], [row, row], color=colour, linewidth=1.4)
        axes.plot([p90], [row], marker="o", color=colour, mfc="white", markersize=7)
    axes.plot([median], [row], marker="o", color=colour, markersize=7)


def _dot(*, filled: bool) -> object:
    from matplotlib.lines import Line2D  # noqa: PLC0415  likewise

    words = "median" if filled else "90th percentile"
    fill = MUTED if filled else "white"
    return Line2D(
        [], [], marker="o", linestyle="", color=MUTED, mfc=fill, markersize=7, label=words
    )


def _criteria_lines(axes: Axes, comparison: Comparison) -> None:
    """A line at each criterion about success, named where the curves begin."""
    for criterion in comparison.criteria:
        if criterion.name == "success":
            axes.axhline(100 * criterion.value, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.annotate(
                f"criterion: success {criterion.op} {100 * criterion.value:g} %",
                (0, 100 * criterion.value),
                xycoords=("axes fraction", "data"),
                xytext=(4, 2 if criterion.wants_more else -2),
                textcoords="offset points",
                va="bottom" if criterion.wants_more else "top",
                fontsize=8,
                color=MUTED,
            )


def _foot(figure: Figure, comparison: Comparison, note: str, sources: Iterator[str]) -> None:
    """What the picture rests on, below it."""
    scales = sorted({arm.time_scale for arm in comparison.arms})
    scale = " to ".join(dict.fromkeys(plain(each) for each in (scales[0], scales[-1])))
    how = f"crashloop compare, seed {comparison.seed}, time scale {scale}"
    said = [f"{note}. {how}.", *sources]
    text = "\n".join(one for each in said for one in textwrap.wrap(each, FOOT_CHARS))
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7.5, color=MUTED)


def _sources(connectors: Iterable[str], known: Mapping[str, str]) -> Iterator[str]:
    for connector in sorted(connectors):
        if source := known.get(connector):
            yield f"{_connector(connector)}: {label(source, MAX_SOURCE)}"


def _title(head: str, comparison: Comparison) -> str:
    """The head, and what was compared."""
    says = f"{label(comparison.incident, MAX_NAME)} on {label(comparison.platform, MAX_NAME)}"
    connectors = {arm.connector for arm in comparison.arms}
    alone = next(iter(connectors)) if len(connectors) == 1 else ""
    behind = f", connector {label(alone, MAX_CONNECTOR)}" if alone else ""
    return textwrap.fill(f"{head}: {says}{behind}", TITLE_CHARS)


def _connector(name: str) -> str:
    return label(name, MAX_CONNECTOR) if name else "as the incident says"


def _percent(rate: float | None) -> float:
    return 100 * (rate or 0.0)


def _around(rate: Rate) -> tuple[float, float]:
    """How far the interval reaches below and above the rate, in percent."""
    middle = _percent(rate.rate)
    return max(middle - _percent(rate.low), 0.0), max(_percent(rate.high) - middle, 0.0)


def _trials(numbers: Sequence[int]) -> str:
    """`1 trial`, `10 to 50 trials`."""
    low, high = min(numbers), max(numbers)
    return counted(high, "trial") if low == high else f"{low} to {counted(high, 'trial')}"


def _written(figure: Figure, kind: str) -> bytes:
    to = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    figure.savefig(to, format=kind, metadata=metadata)
    return to.getvalue()
