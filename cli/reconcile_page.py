"""Days compared with vendors as one HTML page: sums that tie, and every difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from cli.page import BEFORE, BETTER, OURS, WORSE, document, figure, listed, two
from domain.reconciliation import Difference
from domain.units import to_major
from finance.reconciliation import remedy
from store.reconciliations import totals_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 300  # on the page; the CSV has all
MOST_DAYS = 31  # in a plot: the newest
_STATES = {"open": WORSE, "explained": BEFORE, "cleared": BETTER}


def page(looks: Sequence[Row[Any]], rows: Sequence[Row[Any]], now: str) -> str:
    """The whole page; both as the store lists them."""
    days = sorted({look.day for look in looks})
    states = Counter(row.state for row in rows)
    told = ", ".join(f"{states[state]} {state}" for state in _STATES if states[state])
    sums = [_sum(look, total) for look in looks for total in totals_of(look)]
    more = f" ({MOST_ROWS} of {len(rows)})" if len(rows) > MOST_ROWS else ""
    parts = [
        f"<h1>{len(days)} days compared with vendors, as of {escape(now)}</h1>",
        f'<p class="sum">{escape(told) or "Nothing differs"}. '
        f"{sum(look.entries for look in looks):,} entries of statements.</p>",
        "<p>What a vendor counts less what we count is, for each kind and currency, the sum of the "
        "differences, to the cent; the column untied says so.</p>",
        two(
            [
                figure("Differences by day", partial(_by_day, days, rows)),
                figure("Differences by kind", partial(_by_kind, rows)),
            ]
        ),
        f"<h2>Differences, the newest day first{more}</h2>",
        '<div class="t wide">',
        listed(
            ("day", "vendor", "what", "difference", "state", "why", "do", "order"),
            [_difference(row) for row in rows[:MOST_ROWS]],
        ),
        "</div>",
        "<h2>Sums</h2>",
        '<div class="wide">',
        listed(
            ("day", "vendor", "kind", "there", "here", "counted there", "counted here",
             "differences", "untied"),
            sums,
        ),
        "</div>",
    ]  # fmt: skip
    return document("Reconciliation", parts)


def _sum(look: Row[Any], total: Any) -> tuple[str, ...]:
    amounts = (
        total.theirs_minor, total.ours_minor, total.differences_minor, total.untied_minor,
    )  # fmt: skip
    money = [f"{to_major(x, total.currency):,} {total.currency}" for x in amounts]
    return (
        look.day, look.connector, total.kind, str(total.theirs), str(total.ours),
        *(money if total.currency else [""] * 4),
    )  # fmt: skip


def _difference(row: Row[Any]) -> tuple[str, ...]:
    found = Difference.model_validate_json(row.body)
    money = f"{to_major(row.minor, row.currency):,} {row.currency}" if row.minor else ""
    ended = f" by {row.ended_by}: {row.comment}" if row.state == "explained" else ""
    return (
        row.day, row.connector, found.name.replace("_", " "), money, row.state + ended,
        found.because, remedy(found), row.order_id,
    )  # fmt: skip


def _by_day(days: Sequence[str], rows: Sequence[Row[Any]], axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    newest = days[-MOST_DAYS:]
    bottom = [0] * len(newest)
    for state, colour in _STATES.items():
        counts = Counter(row.day for row in rows if row.state == state)
        heights = [counts[day] for day in newest]
        if any(heights):
            axes.bar(range(len(newest)), heights, bottom=bottom, color=colour, label=state)
        bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    axes.set_xticks(range(len(newest)), [day[5:] for day in newest], rotation=90)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if any(bottom):
        axes.legend(frameon=False)


def _by_kind(rows: Sequence[Row[Any]], axes: Axes) -> None:
    counts = Counter(
        Difference.model_validate_json(row.body).name.replace("_", " ") for row in rows
    )
    names = [name for name, _ in counts.most_common()][::-1]
    bars = axes.barh(names, [counts[name] for name in names], color=OURS)
    axes.bar_label(bars, padding=3)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
