"""A backtest as one HTML page that needs nothing beside it: figures, and plots as SVG within."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from cli.page import BEFORE as NOW
from cli.page import BETTER, WORSE, document, figure, two
from cli.page import OURS as CANDIDATE
from cli.policy_backtest import row, signed_money
from domain.units import exponent, format_money
from policies.readout import Backtest, Example, Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHARES = ("express", "split", "on_time", "asked", "infeasible")
# More or less express and splits are neither good nor bad in themselves.
MORE_IS_BETTER, NEITHER = ("on_time",), ("express", "split")
RULES = 12
SLOTS = 4  # bars that a plot has room for at least: a single one is not as wide as the plot


def page(result: Backtest, speed: Mapping[str, float], what: str, currency: str) -> str:
    """The whole page.

    Args:
        speed: decisions a second, as ``Run.speed`` gives them.
        what: which facts were decided again.
        currency: of the network, in which costs are.
    """
    title = f"Backtest of {', '.join(result.candidate)}"
    changed = result.changed
    share = changed.decisions / max(1, result.decisions)
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>Instead of {escape(', '.join(result.now))} at the point {escape(result.point)}, over "
        f"{escape(what)}.</p>",
        f'<p class="sum"><b>{changed.decisions:,} of {result.decisions:,} decisions change</b> '
        f"({share:.1%}). {_sum_of(result, currency)}</p>",
        _table(result, currency),
        "<p>Difference: the candidate less today, decision by decision. Interval: 95 % of 2,000 "
        "bootstrap resamples of the orders (percentiles). Costs and dates are those foreseen.</p>",
        *_plots(result, currency),
        _examples(result, currency),
        f"<p>{speed['decisions']:,.0f} decisions in {speed['seconds']:,.1f} s: "
        f"{speed['per_second']:,.0f} a second in all, "
        f"{speed['per_second_and_process']:,.0f} in each process while it works "
        f"(processes: {speed['processes']:.0f}).</p>",
    ]
    return document(title, parts)


def _table(result: Backtest, currency: str) -> str:
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="{_judged(metric)}">{escape(cell)}</td>' if column == 3
            else f"<td>{escape(cell)}</td>"
            for column, cell in enumerate(row(metric, currency))
        )
        + "</tr>"
        for metric in result.metrics
    )  # fmt: skip
    outcomes = "".join(
        f"<tr><td>{escape(outcome)}, decisions</td><td>{before:,}</td><td>{after:,}</td>"
        f"<td>{after - before:+,}</td><td></td></tr>"
        for outcome, (before, after) in result.outcomes.items()
    )
    names = ("", "Now", "Candidate", "Difference", "95 % interval")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}{outcomes}</tbody></table>"


def _judged(metric: Metric) -> str:
    """Whether the difference is surely for better or worse; empty where it may be neither."""
    if metric.low <= 0 <= metric.high or metric.name in NEITHER:
        return ""
    return "better" if (metric.difference > 0) == (metric.name in MORE_IS_BETTER) else "worse"


def _sum_of(result: Backtest, currency: str) -> str:
    changed = result.changed
    if result.point != "route" or not changed.decisions:
        return ""
    cost, hours = changed.cost_minor, changed.hours
    money = format_money(abs(cost), currency)
    return (
        f"Together they cost {money} {'more' if cost > 0 else 'less'} and arrive "
        f"{abs(hours):,.0f} hours {'later' if hours > 0 else 'sooner'}; express "
        f"{changed.express[0]} → {changed.express[1]}, split over nodes "
        f"{changed.split[0]} → {changed.split[1]}."
    )


def _examples(result: Backtest, currency: str) -> str:
    """Changed decisions one by one, those whose cost changes most."""
    examples = result.examples
    if not examples:
        return ""
    numbers = {"Cost": "n", "Delivery": "n"} if result.point == "route" else {}
    names = ("Order", "Now", "Candidate", *numbers, "Rules")
    head = "".join(f'<th class="{numbers.get(name, "")}">{name}</th>' for name in names)
    rows = "".join(_example(e, currency, foreseen=bool(numbers)) for e in examples)
    first = result.changed.decisions > len(examples)
    which = f"The {len(examples)} whose cost changes most." if first else "All of them."
    return (
        f'<h2>Changed decisions</h2><p>{which}</p><div class="wide"><table class="t">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _example(example: Example, currency: str, *, foreseen: bool) -> str:
    """One row; ``foreseen`` where costs and dates are."""
    cost, hours = example.cost_minor, example.hours
    numbers = (
        "" if cost is None else signed_money(cost, currency),
        "" if hours is None else f"{hours:+,.0f} h",
    )
    words = "".join(
        f"<td>{escape(text)}</td>" for text in (example.order_id, example.now, example.candidate)
    )
    cells = "".join(f'<td class="n">{number}</td>' for number in numbers) if foreseen else ""
    return f"<tr>{words}{cells}<td>{escape(', '.join(example.rules))}</td></tr>"


def _plots(result: Backtest, currency: str) -> list[str]:
    """The plots that the result has figures for, two in a row."""
    drawn: list[str] = []
    if result.costs is not None:
        drawn.append(figure("Cost per order", lambda ax: _costs(ax, result, currency)))
    moved = [m for m in result.metrics if m.low or m.high]
    if moved:
        drawn.append(figure("Difference, 95 % interval", lambda ax: _intervals(ax, moved)))
    if result.changed.by_rule:
        drawn.append(figure("Changed decisions by rule", lambda ax: _rules(ax, result)))
    shares = [m for m in result.metrics if m.name in SHARES and (m.now or m.candidate)]
    if shares:
        drawn.append(figure("Shares of decisions", lambda ax: _shares(ax, shares)))
    return [two(drawn)] if drawn else []


def _costs(axes: Axes, result: Backtest, currency: str) -> None:
    found = result.costs
    assert found is not None
    unit = 10 ** exponent(currency)
    edges = [edge / unit for edge in found.edges]
    axes.stairs(found.now, edges, fill=True, color=NOW, alpha=0.45, label="now")
    axes.stairs(found.candidate, edges, color=CANDIDATE, linewidth=1.6, label="candidate")
    axes.set_xlabel(f"{currency}; the last bar holds the dearest 1 %")
    axes.set_ylabel("decisions")
    axes.legend(frameon=False)


def _intervals(axes: Axes, metrics: list[Metric]) -> None:
    """Each difference on a scale of its own: in percent of the figure now, shares in points."""
    shown = [
        (m, 100.0 if m.unit == "share" else 100 / m.now)
        for m in metrics
        if m.now or m.unit == "share"
    ]
    for place, (metric, scale) in enumerate(reversed(shown)):
        colour = {"better": BETTER, "worse": WORSE, "": NOW}[_judged(metric)]
        ends = [metric.low * scale, metric.high * scale]
        axes.plot(ends, [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
        axes.plot([metric.difference * scale], [place], "o", color=colour)
    axes.axvline(0, color="#1f2937", linewidth=0.8)
    units = [
        f"{m.title}, {'% points' if m.unit == 'share' else '% of now'}" for m, _ in reversed(shown)
    ]
    axes.set_yticks(range(len(units)), units)
    axes.set_ylim(-0.6, len(units) - 0.4)
    axes.set_xlabel("candidate less now")


def _rules(axes: Axes, result: Backtest) -> None:
    found = list(result.changed.by_rule.items())[:RULES][::-1]
    bars = axes.barh([rule for rule, _ in found], [n for _, n in found], color=CANDIDATE)
    axes.bar_label(bars, padding=3)
    axes.margins(x=0.12)
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(len(found) - max(SLOTS, len(found)) - 0.5, len(found) - 0.5)
    axes.set_xlabel("decisions that it has a part in")


def _shares(axes: Axes, metrics: list[Metric]) -> None:
    places = range(len(metrics))
    for shift, name, colour in ((-0.2, "now", NOW), (0.2, "candidate", CANDIDATE)):
        values = [100 * float(getattr(m, name)) for m in metrics]
        bars = axes.bar([p + shift for p in places], values, 0.38, color=colour, label=name)
        axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    axes.set_xticks(list(places), [m.title.replace(" ", "\n", 1) for m in metrics])
    axes.set_ylabel("%")
    axes.set_ylim(0, 112)
    axes.set_xlim(-0.5, max(SLOTS, len(metrics)) - 0.5)
    axes.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, 1.12))
