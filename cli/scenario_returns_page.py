"""Returns as one HTML page: the comparison, how long money takes, where it leaks, seed by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cli.page import BEFORE as GREY
from cli.page import OURS, WORSE, figure
from cli.scenario_parts import Story, page_of
from cli.scenario_returns import Report
from scenarios.returns.comparison import MOST_HOURS
from scenarios.returns.measures import KINDS
from scenarios.seeds import BEFORE, MESHLINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = ((BEFORE, "before-state", GREY), (MESHLINE, "Meshline", OURS))
STAGES = (
    ("kept", "at once,\ngoods kept"), ("first_scan", "first\nscan"), ("receipt", "receipt"),
    ("inspection", "inspection"),
)  # fmt: skip
SHOWN_DAYS = 14


NOTE = (
    "Both sides face the same customers, parcels, people and dock. Hours are of refunds that were "
    "owed; leaked is what was paid, should not have been, and was not taken back."
)


def page(report: Report, story: Story) -> str:
    """The whole page."""
    figures = [
        figure("From the hand-over to the refund", lambda ax: _waits(ax, report)),
        figure("When refunds are paid", lambda ax: _stages(ax, report)),
        figure("What leaked, by why it should not have been paid", lambda ax: _leaks(ax, report)),
        figure("Leaked per return, seed by seed", lambda ax: _seeds(ax, report)),
    ]
    more = [figure("Half of the refunds within", lambda ax: _sensitivity(ax, report))]
    return page_of(story, NOTE, figures, more if report.findings else ())


def _waits(axes: Axes, report: Report) -> None:
    ends = np.linspace(0, SHOWN_DAYS * 24, SHOWN_DAYS * 12 + 1)
    for side, name, colour in SIDES:
        hours = np.sort(np.concatenate([run.sides[side].since_hand_over for run in report.runs]))
        shares = 100 * np.searchsorted(hours, ends, side="right") / max(1, hours.size)
        axes.plot(ends / 24, shares, color=colour, label=name)
    axes.axvline(MOST_HOURS / 24, color=WORSE, linewidth=1)
    axes.axhline(50, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlim(0, SHOWN_DAYS)
    axes.set_ylim(0, 100)
    axes.set_xlabel("days; red: the aim for half of them")
    axes.set_ylabel("% of the owed refunds paid")
    axes.legend(frameon=False, loc="lower right")


def _stages(axes: Axes, report: Report) -> None:
    for shift, (side, name, colour) in zip((-0.2, 0.2), SIDES, strict=True):
        found = [run.sides[side].measures for run in report.runs]
        paid = max(1, sum(m.paid for m in found))
        shares = [100 * sum(getattr(m, stage) for m in found) / paid for stage, _ in STAGES]
        places = [n + shift for n in range(len(STAGES))]
        bars = axes.bar(places, shares, 0.38, color=colour, label=name)
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
    axes.set_xticks(range(len(STAGES)), [text for _, text in STAGES])
    axes.set_ylabel("% of the refunds")
    axes.legend(frameon=False)


def _leaks(axes: Axes, report: Report) -> None:
    for shift, (side, name, colour) in zip((-0.2, 0.2), SIDES, strict=True):
        found = [run.sides[side].measures for run in report.runs]
        returns = max(1, sum(m.returns for m in found))
        each = [sum(m.leaked_by[n] for m in found) / returns / 100 for n in range(len(KINDS))]
        bars = axes.bar([n + shift for n in range(len(KINDS))], each, 0.38, color=colour,
                        label=name)  # fmt: skip
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    axes.set_xticks(range(len(KINDS)), KINDS)
    axes.set_ylabel(f"{report.currency} per return")
    axes.legend(frameon=False)


def _seeds(axes: Axes, report: Report) -> None:
    for place, run in enumerate(report.runs):
        before, ours = (
            run.sides[side].measures.leaked_minor / max(1, run.sides[side].measures.returns) / 100
            for side in (BEFORE, MESHLINE)
        )
        axes.plot([before, ours], [place, place], color=GREY, linewidth=1)
        axes.plot([before], [place], "o", color=GREY, markersize=4)
        axes.plot([ours], [place], "o", color=OURS, markersize=4)
    axes.set_yticks([])
    axes.set_xlim(0)
    axes.set_xlabel(f"{report.currency}; grey: before-state, blue: Meshline")
    axes.set_ylabel("seeds")


def _sensitivity(axes: Axes, report: Report) -> None:
    for place, finding in enumerate(reversed(report.findings)):
        before, ours = (hours / 24 for hours in finding.latency_p50)
        axes.plot([ours, before], [place, place], color=GREY, linewidth=1)
        axes.plot([before], [place], "o", color=GREY, markersize=4)
        axes.plot([ours], [place], "o", color=OURS, markersize=4)
    names = [finding.name for finding in reversed(report.findings)]
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.axvline(MOST_HOURS / 24, color=WORSE, linewidth=1)
    axes.set_xlim(0)
    axes.set_xlabel("days; grey: before-state, blue: Meshline, red: the aim")
