"""A promotion spike as one HTML page: the comparison, day by day, seed by seed, node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.page import BEFORE as GREY
from cli.page import BETTER, OURS, WORSE, figure
from cli.scenario import Report
from cli.scenario_parts import Story, page_of
from domain.units import exponent
from scenarios.comparison import LESS_EXPRESS, less_express
from scenarios.promo_spike import CALM
from scenarios.seeds import BEFORE, MESHLINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = ((BEFORE, "before-state", GREY), (MESHLINE, "Meshline", OURS))


NOTE = (
    "Both sides face the same orders, stock, capacities, carriers and luck. Touches are counted "
    "alike: approvals that policy asks for, late picks, orders that cannot be served."
)


def page(report: Report, story: Story) -> str:
    """The whole page."""
    figures = [
        figure("Express spend by day of the order", lambda ax: _express(ax, report)),
        figure("On time by day of the order", lambda ax: _on_time(ax, report)),
        figure("Less express spend, seed by seed", lambda ax: _seeds(ax, report)),
        figure("Where parts ship from, in the spike", lambda ax: _nodes(ax, report)),
    ]
    more = [figure("Express spend per order", lambda ax: _sensitivity(ax, report))]
    return page_of(story, NOTE, figures, more if report.findings else ())


def _by_day(report: Report, side: str, name: str) -> list[int]:
    """A count of all seeds together, day by day."""
    days = [run.sides[side].days for run in report.runs]
    return [sum(getattr(day, name) for day in of) for of in zip(*days, strict=True)]


def _shade(axes: Axes, report: Report) -> None:
    """The days of the spike, and what the days are called."""
    p = report.parameters
    axes.axvspan(p.spike_from - 0.5, p.spike_from + p.spike_days - 0.5, color=GREY, alpha=0.15)
    axes.set_xticks(range(0, p.days, 7), [f"Monday {n}" for n in range(1, 2 + (p.days - 1) // 7)])
    axes.legend(frameon=False, loc="best")


def _express(axes: Axes, report: Report) -> None:
    unit = 10 ** exponent(report.currency) * len(report.runs)
    for side, name, colour in SIDES:
        spent = [minor / unit for minor in _by_day(report, side, "express_minor")]
        axes.plot(spent, "o-", color=colour, label=name, markersize=3)
    axes.set_ylabel(f"{report.currency} a day; grey: the spike")
    axes.set_ylim(0)
    _shade(axes, report)


def _on_time(axes: Axes, report: Report) -> None:
    for side, name, colour in SIDES:
        counts = zip(_by_day(report, side, "on_time"), _by_day(report, side, "orders"), strict=True)
        shares = [100 * good / max(1, of) for good, of in counts]
        axes.plot(shares, "o-", color=colour, label=name, markersize=3)
        calm = _by_day(report, CALM[side], "on_time"), _by_day(report, CALM[side], "orders")
        level = 100 * sum(calm[0]) / sum(calm[1])
        axes.axhline(level, color=colour, linewidth=0.8, linestyle="--")
    axes.set_ylabel("%; dashed: the level without a spike")
    _shade(axes, report)


def _seeds(axes: Axes, report: Report) -> None:
    found = sorted(100 * less_express([run]) for run in report.runs)
    axes.plot(found, range(len(found)), "o", color=OURS, markersize=4)
    axes.axvline(100 * LESS_EXPRESS, color=WORSE, linewidth=1)
    of = report.comparison.less_express
    axes.axvspan(100 * of.low, 100 * of.high, color=BETTER, alpha=0.25)
    axes.set_yticks([])
    axes.set_xlim(min(0, *found), 100)
    axes.set_xlabel("% of the before-state's; red: the aim, green: the interval of all together")
    axes.set_ylabel("seeds, in rising order")


def _nodes(axes: Axes, report: Report) -> None:
    for shift, (side, name, colour) in zip((-0.2, 0.2), SIDES, strict=True):
        counts = [
            sum(run.sides[side].parts.get(node, 0) for run in report.runs) for node in report.nodes
        ]
        shares = [100 * count / max(1, sum(counts)) for count in counts]
        places = [n + shift for n in range(len(shares))]
        bars = axes.bar(places, shares, 0.38, color=colour, label=name)
        axes.bar_label(bars, fmt="%.0f", padding=2, fontsize=8)
    axes.set_xticks(range(len(report.nodes)), report.nodes)
    axes.set_ylabel("% of the parts")
    axes.legend(frameon=False)


def _sensitivity(axes: Axes, report: Report) -> None:
    unit = 10 ** exponent(report.currency)
    for place, finding in enumerate(reversed(report.findings)):
        before, ours = (minor / unit for minor in finding.express_minor)
        axes.plot([ours, before], [place, place], color=GREY, linewidth=1)
        axes.plot([before], [place], "o", color=GREY)
        axes.plot([ours], [place], "o", color=OURS)
    names = [finding.name for finding in reversed(report.findings)]
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlim(0)
    axes.set_xlabel(f"{report.currency}; grey: before-state, blue: Meshline")
