"""What the returns scenario is made of: every figure in one place, with its reason.

What is invented says so. Nothing here was fitted to a seed or to a result; the sensitivity table
plays the figures that matter otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

TYPICAL_MINOR = 5_000  # what a return is worth, about


@dataclass(frozen=True)
class Returns:
    """Parameters of one run. Shares are of the returns that are asked for, 0 to 1.

    Attributes:
        first_day: a Monday without a holiday in the weeks after it.
        days: returns are asked for so long, on every day of the week; all are played to the end.
        per_day: returns asked for; invented, a small shop whose people have a queue.

        median_minor, spread: price of a unit, lognormal; a shop's wide assortment. Invented.
        new, serial: customers with their first order; customers who return a lot. Half of a
            shop's orders and more come from customers who bought before. Invented.
        late, final_sale: outside the window; sold as final. Few ask for what the terms exclude.
            Invented.
        claims: of those, how many say that the fault is the merchant's; half of them say so
            rightly, and are owed the money all the same.
        bad_new, bad_regular, bad_serial: contents that should not be paid, by customer. Together
            with what is out of terms a tenth of the returns should not be paid, which surveys of
            US retailers put at 14 in 100 of the value (NRF, 2023). That who orders once or
            returns a lot is worse than the rest is what every screening lives on; how much is
            invented.
        temptation: the shares are those of goods worth ``TYPICAL_MINOR``; of dearer ones more
            boxes are bad and of cheaper ones fewer, by this power of the value, at most twice and
            at least half as many. Who cheats does it where it pays; how much so is invented.
        used, wrong_item: of the bad contents: worn or broken by the customer, another thing in
            the box. The rest are boxes with nothing. Most are worn goods. Invented.
        at_fault: of returns within the terms, the customer says that the fault is ours.
        risky, risky_bad: the shop rates the order as a high risk; honest ones, bad contents.
        gone: of senders of empty boxes who are not new: units were missing in a return before.
        never_sent: approved, and never handed to a carrier.
        agreed: customers who have agreed that their card is charged again where the goods do not
            pass; a shop that pays early asks for it at the checkout. Invented.
        charged: of such charges, those that go through. Issuers approve more of what
            subscriptions charge without their customer; who sends an empty box may have
            emptied the card, too. Invented.

        dawdling: days from the approval to the hand-over, half of the customers at most; an
            exponential distribution. Invented.
        counter: of the parcels, handed over at a counter that scans at once; the rest lies in a
            box or on a doorstep until the collection of Monday to Saturday, 17:00, and is
            scanned within five hours after it.
        transit_p50, transit_p90: business days back, UPS Ground over 600 to 1,800 miles.

        look_minutes: a person verifies a request, reviews one, or decides a case: order, delivery
            date, item, history. Invented; one person then does 60 a day.
        count_minutes: the dock takes in a parcel and counts what is in it.
        inspect_minutes: the dock says what it is; 48 a day. Invented.
        approve_minutes: finance agrees to a refund.
        capacity: factor on how fast all of them are, for the sensitivity table.

        overlooked: a person who checks requests by hand lets so many through that the terms
            exclude: a date read wrong, a flag not looked up. Invented.
        believed: of untrue claims that the fault is ours, what a person lets through.
        suspected: of bad contents with a signal of fraud, what a person declines before it is
            sent. Without a signal nobody can know.
        mistaken: of honest requests that a person looks at, and of honest parcels that are
            inspected, what is refused by mistake.
        sees_used, sees_wrong: the inspection finds it; the same on both sides. That a box is
            empty everybody sees.
        batch_hour: the before-state pays on working days at this hour, what was inspected by then.

        limits: params of Meshline's refund policy that are other than they ship, for the
            sensitivity table.
    """

    first_day: date = date(2026, 3, 2)
    days: int = 28
    per_day: float = 30.0

    median_minor: int = 4_000
    spread: float = 0.8
    new: float = 0.3
    serial: float = 0.1
    late: float = 0.04
    final_sale: float = 0.02
    claims: float = 0.3
    bad_new: float = 0.06
    bad_regular: float = 0.025
    bad_serial: float = 0.12
    temptation: float = 0.5
    used: float = 0.6
    wrong_item: float = 0.2
    at_fault: float = 0.25
    risky: float = 0.02
    risky_bad: float = 0.15
    gone: float = 0.15
    never_sent: float = 0.04
    agreed: float = 0.8
    charged: float = 0.7

    dawdling: float = 2.0
    counter: float = 0.6
    transit_p50: int = 3
    transit_p90: int = 5

    look_minutes: float = 8.0
    count_minutes: float = 3.0
    inspect_minutes: float = 10.0
    approve_minutes: float = 10.0
    capacity: float = 1.0

    overlooked: float = 0.1
    believed: float = 0.3
    suspected: float = 0.3
    mistaken: float = 0.01
    sees_used: float = 0.8
    sees_wrong: float = 0.95
    batch_hour: int = 16

    limits: tuple[tuple[str, int], ...] = ()
