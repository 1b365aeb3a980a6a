"""Audited invoices as one HTML page: what was billed, what was due, what is claimed and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from cli.page import BEFORE, OURS, WORSE, document, figure, listed, two
from domain.invoices import Finding
from domain.units import format_money, to_major

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLAIMS = 200  # on the page; the CSV has all
MOST_BARS = 24  # invoices in a plot: the newest
_SUMS = ("billed", "due", "claimed", "unexplained")


def page(
    invoices: Sequence[Row[Any]], findings: Sequence[Row[Any]], currency: str, now: str
) -> str:
    """The whole page; both as the store lists them."""
    billed, due, claimed, rest = (
        sum(getattr(row, f"{name}_minor") for row in invoices) for name in _SUMS
    )
    claims = [row for row in findings if row.claim_minor]
    share = f"{100 * claimed / billed:.2f} %" if billed else "nothing"
    parts = [
        f"<h1>{len(invoices)} audited invoices, as of {escape(now)}</h1>",
        f'<p class="sum">{_money(billed, currency)} billed = {_money(due, currency)} due + '
        f"{_money(claimed, currency)} claimed + {_money(rest, currency)} unexplained. "
        f"Claimed is {share} of what was billed.</p>",
        "<p>Due is what the rate card of the shipping day asks for the carton, weight, zone and "
        "address of our own records. Each claim names its rows in the biller's file.</p>",
        two(
            [
                figure(f"Claimed by class, {currency}", partial(_by_class, claims, currency)),
                figure(f"Billed and due, {currency}", partial(_billed, invoices, currency)),
            ]
        ),
        "<h2>Invoices</h2>",
        listed(
            ("biller", "invoice", "billed on", "charges", *_SUMS),
            [_invoice(row, currency) for row in invoices],
        ),
        f"<h2>Claims, the largest first{_of(len(claims))}</h2>",
        '<div class="t">',
        listed(
            ("invoice", "parcel", "class", "claim", "state", "because", "rows"),
            [_claim(row, currency) for row in claims[:MOST_CLAIMS]],
        ),
        "</div>",
    ]
    return document("Invoice audit", parts)


def _invoice(row: Row[Any], currency: str) -> tuple[str, ...]:
    sums = (_plain(getattr(row, f"{name}_minor"), currency) for name in _SUMS)
    return (row.biller, row.invoice, row.billed_on, str(row.charges), *sums)


def _of(count: int) -> str:
    return f" ({MOST_CLAIMS} of {count})" if count > MOST_CLAIMS else ""


def _claim(row: Row[Any], currency: str) -> tuple[str, ...]:
    finding = Finding.model_validate_json(row.body)
    return (
        f"{row.biller} {row.invoice}", row.tracking_number, row.kind.replace("_", " "),
        _plain(row.claim_minor, currency), row.state, finding.because,
        " ".join(map(str, finding.rows)),
    )  # fmt: skip


def _by_class(claims: Sequence[Row[Any]], currency: str, axes: Axes) -> None:
    of: Counter[str] = Counter()
    for row in claims:
        of[row.kind.replace("_", " ")] += row.claim_minor
    names = [name for name, _ in of.most_common()][::-1]
    amounts = [float(to_major(of[name], currency)) for name in names]
    bars = axes.barh(names, amounts, color=WORSE)
    axes.bar_label(bars, [f"{x:,.2f}" for x in amounts], padding=3)
    axes.margins(x=0.2)
    axes.set_xlim(left=0)


def _billed(invoices: Sequence[Row[Any]], currency: str, axes: Axes) -> None:
    newest = invoices[-MOST_BARS:]
    at = range(len(newest))
    due = [float(to_major(row.due_minor, currency)) for row in newest]
    billed = [float(to_major(row.billed_minor, currency)) for row in newest]
    axes.bar([x - 0.2 for x in at], billed, 0.4, color=BEFORE, label="billed")
    axes.bar([x + 0.2 for x in at], due, 0.4, color=OURS, label="due")
    names = [f"{row.invoice}\n{row.biller}" for row in newest]
    axes.set_xticks(list(at), names, rotation=90 if len(newest) > 6 else 0)
    axes.legend(frameon=False)


def _money(minor: int, currency: str) -> str:
    return escape(format_money(minor, currency))


def _plain(minor: int, currency: str) -> str:
    return f"{to_major(minor, currency):,}"
