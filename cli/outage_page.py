"""A carrier's outage as one HTML page: both sides, and how soon parcels had another way."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from cli.outage_report import FATES
from cli.page import BEFORE, OURS, document, figure, listed, two
from domain.units import exponent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = (("before", "before-state", BEFORE), ("meshline", "Meshline", OURS))
HEAD = ("", "before", "Meshline")


def headline(found: Mapping[str, Any]) -> str:
    """What was played."""
    return (
        f"{found['carrier']} sells no label for {found['hours']:g} hours; "
        f"{found['orders_open']} orders are open, {found['of_the_carrier']} of "
        f"{found['shipments_open']} shipments are to go by it"
    )


def rows(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Both sides in words, over the orders that left on both."""
    sides = [found["sides"][name] for name, _, _ in SIDES]
    unit = 10 ** exponent(found["currency"])

    def share(name: str) -> list[str]:
        return [f"{100 * x[name] / max(1, x['orders']):.1f} %" for x in sides]

    def money(name: str) -> list[str]:
        return [f"{x[name] / unit / max(1, x['orders']):,.2f}" for x in sides]

    def half(x: Mapping[str, Any]) -> str:
        return f"{x['hours'][len(x['hours']) // 2]:.1f} h" if x["hours"] else "none had to"

    currency = found["currency"]
    return [
        ("orders that left", *(str(x["orders"]) for x in sides)),
        ("on time, by nine of ten", *share("on_time")),
        ("half of those that met it had another way after", *map(half, sides)),
        (f"express per order, {currency}", *money("express_minor")),
        (f"cost per order, {currency}", *money("cost_minor")),
        ("split over nodes", *share("split")),
        ("human touches", *(str(x["touches"]) for x in sides)),
    ]


def fates(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What became of the carrier's shipments with Meshline, and how fast."""
    told = [(words, str(found[name])) for name, words in FATES.items()]
    return [
        *told,
        ("detected so many minutes after it went dark", _known(found["minutes_until_detected"])),
        ("the first moved so many seconds (wall) later", _known(found["seconds_until_first_move"])),
        ("half of them so many seconds (wall) later", _known(found["seconds_until_half_moved"])),
        ("in use again so many minutes after it sold again", _known(found["minutes_until_back"])),
        ("approvals that were asked for", str(found["approvals"])),
        ("shipments of other carriers", str(found["others"])),
        ("of them moved", str(found["others_moved"])),
        ("labels bought twice or left over", str(found["doubled"])),
    ]


def page(found: Mapping[str, Any]) -> str:
    """The whole page."""
    wrong = "".join(f'<p class="worse">✗ {escape(x)}</p>' for x in found["violations"])
    parts = [
        f"<h1>{escape(headline(found))}</h1>",
        "<p>Before-state: the first node in list order that has stock, express where ground would "
        "miss the promise, and people who switch the carrier off four hours after it went dark and "
        "label again by hand what lay there. Meshline: a Temporal server, gateway and worker, over "
        "HTTP to the vendors' simulators. The same orders, stock, prices and dates. A second of "
        f"the machine's work is {found['rate'] / 60:.0f} minutes on the story's clock.</p>",
        wrong or '<p class="sum better">✓ Nothing was lost, doubled or stranded.</p>',
        listed(HEAD, rows(found)),
        two(
            [
                figure("Shipments with another way", lambda ax: _moved(ax, found)),
                figure("Per order", lambda ax: _money(ax, found)),
            ]
        ),
        "<h2>What became of the carrier's shipments with Meshline</h2>",
        listed(("", ""), fates(found)),
    ]
    return document("Carrier outage", parts)


def _known(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _moved(axes: Axes, found: Mapping[str, Any]) -> None:
    axes.axvspan(0, found["hours"], color=BEFORE, alpha=0.15)
    for name, words, colour in SIDES:
        hours = found["sides"][name]["hours"]
        steps = [0.0, *hours, max(found["hours"], *hours, 1.0)]
        axes.step(
            steps, [*range(len(hours) + 1), len(hours)], where="post", color=colour, label=words
        )
    axes.set_xlabel("hours since the carrier went dark; grey: it is dark")
    axes.set_ylim(0)
    axes.legend(frameon=False, loc="best")


def _money(axes: Axes, found: Mapping[str, Any]) -> None:
    unit = 10 ** exponent(found["currency"])
    for shift, (name, words, colour) in zip((-0.2, 0.2), SIDES, strict=True):
        side = found["sides"][name]
        of = [side[x] / unit / max(1, side["orders"]) for x in ("cost_minor", "express_minor")]
        bars = axes.bar([x + shift for x in range(2)], of, 0.38, color=colour, label=words)
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=8)
    axes.set_xticks(range(2), ["shipping and handling", "express alone"])
    axes.set_ylabel(found["currency"])
    axes.legend(frameon=False)
