"""Both sides get the same returns and people; nothing is lost, and leakage is what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from activities.settings import ROOT, expand
from domain.decision import ReturnReason
from domain.network import Network, parse_network
from domain.order import Destination, Order, OrderLine
from domain.refunds import RefundSum
from policies import TEMPLATES, Library
from scenarios.returns.comparison import Comparison, compare, hours, ratio
from scenarios.returns.hours import Calendar, Desk
from scenarios.returns.measures import KINDS, Measures, kind, leaked, measured, waits, withheld
from scenarios.returns.parameters import Returns
from scenarios.returns.sensitivity import found, variants
from scenarios.returns.sides import refund_snapshot, return_snapshot, signals
from scenarios.returns.story import Played, SeedRun, calendar_of, play, play_seed
from scenarios.returns.wanted import BAD, Contents, Customer, Luck, Wanted, wanted
from scenarios.returns.world import Course, Ending, Paid, World, agrees, grade
from scenarios.seeds import BEFORE, MESHLINE, Estimate

P = replace(Returns(), days=14, per_day=15.0)
ZONE = ZoneInfo("America/New_York")
MONDAY = datetime(2026, 3, 2, 15, tzinfo=UTC)  # ten in the morning in New York


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenarios.seeds.RESAMPLES", 100)


@pytest.fixture(scope="module")
def network() -> Network:
    path = ROOT / "config" / "network.yaml"
    return parse_network(expand(path.read_text()), path.name)


@pytest.fixture(scope="module")
def library(network: Network) -> Library:
    return Library.load(TEMPLATES, network.policies)


@pytest.fixture(scope="module")
def sides(network: Network, library: Library) -> dict[str, list[Course]]:
    return play(network, library, P, 1)


# --- the same for both -----------------------------------------------------------------------


def test_both_sides_get_the_same_returns_with_the_same_truth(
    sides: dict[str, list[Course]],
) -> None:
    before, ours = ([c.wanted for c in sides[side]] for side in (BEFORE, MESHLINE))
    assert before == ours
    assert len(before) > 150
    assert {c.owed_minor == 0 for c in sides[BEFORE]} == {True, False}


@pytest.mark.parametrize("side", [BEFORE, MESHLINE])
def test_every_return_ends_and_is_paid_at_most_once(
    sides: dict[str, list[Course]], side: str
) -> None:
    sums = measured(sides[side])
    assert sums.open == 0
    assert sums.paid + sums.declined + sums.refused + sums.not_sent == sums.returns
    assert sums.kept + sums.first_scan + sums.receipt + sums.inspection == sums.paid
    assert sum(sums.leaked_by) == sums.leaked_minor
    for course in sides[side]:
        assert len(course.paid) == (course.ended == "paid")
        assert course.paid_minor <= course.wanted.order.total_minor
        if course.paid and not course.kept:
            assert course.handed_over is not None
            assert course.wanted.asked < course.handed_over <= course.paid[0].at


def test_the_before_state_pays_after_the_inspection_in_the_batch_of_a_working_day(
    sides: dict[str, list[Course]],
) -> None:
    paid = [each for course in sides[BEFORE] for each in course.paid]
    assert {each.stage for each in paid} == {"inspection"}
    local = {each.at.astimezone(ZONE) for each in paid}
    assert {(at.hour, at.minute) for at in local} == {(P.batch_hour, 0)}
    assert max(at.weekday() for at in local) <= 4
    assert all(course.touches["look"] == 1 for course in sides[BEFORE])


def test_meshline_pays_as_its_policy_says(sides: dict[str, list[Course]]) -> None:
    for course in sides[MESHLINE]:
        stages = {each.stage for each in course.paid}
        if "first_scan" in stages:
            w = course.wanted
            assert course.paid_minor <= 5_000 or (
                course.paid_minor <= 10_000 and w.yearly_orders >= 2 and w.recent <= 2
            )
            assert not signals(w)
        if course.wanted.excluded and not course.touches["look"]:
            assert course.ended == "declined"  # no machine overlooks a date
    assert {"kept", "first_scan", "inspection"} <= {
        each.stage for course in sides[MESHLINE] for each in course.paid
    }


@pytest.mark.parametrize("agreed", [0.0, P.agreed, 1.0])
def test_what_is_paid_early_and_found_bad_is_taken_back_where_the_card_lets_it(
    network: Network, library: Library, agreed: float
) -> None:
    bad = replace(P, bad_new=1.0, bad_regular=1.0, bad_serial=1.0, temptation=0.0, agreed=agreed)
    courses = play(network, library, bad, 1)[MESHLINE]
    early = [
        c
        for c in courses
        if c.wanted.contents in BAD and any(each.stage == "first_scan" for each in c.paid)
    ]
    found = [c for c in early if not c.accepted]
    assert 0 < len(found) < len(early)  # the inspection does not see everything
    for c in early:
        luck = c.wanted.luck
        back = not c.accepted and luck.agreed < agreed and luck.charged < P.charged
        assert c.recovered_minor == (c.paid_minor if back else 0)
        assert leaked(c) == c.paid_minor - c.recovered_minor
        # a case at the inspection, and one for finance where nothing could be charged
        assert c.touches["case"] == (0 if c.accepted else 1 if back else 2)
    assert any(c.recovered_minor for c in early) == (agreed > 0)
    assert not any(c.recovered_minor for c in courses if c not in early)


def test_a_seed_comes_out_the_same_again(network: Network, library: Library) -> None:
    small = replace(P, days=7)
    first, again, other = (play_seed(network, library, small, seed) for seed in (3, 3, 4))
    for side in (BEFORE, MESHLINE):
        assert first.sides[side].measures == again.sides[side].measures
        assert (first.sides[side].since_asked == again.sides[side].since_asked).all()
    assert first.sides[BEFORE].measures != other.sides[BEFORE].measures


def test_another_share_of_bad_contents_changes_nothing_else() -> None:
    few, many = (wanted(replace(P, bad_regular=share), 1, ZONE) for share in (0.0, 0.5))
    assert [(w.asked, w.order.lines, w.recent, w.luck) for w in few] == [
        (w.asked, w.order.lines, w.recent, w.luck) for w in many
    ]
    assert sum(w.contents in BAD for w in many) > sum(w.contents in BAD for w in few)


def test_the_aims_over_some_seeds(network: Network, library: Library) -> None:
    """The whole result has its own command; this holds its direction."""
    of = compare([play_seed(network, library, P, seed) for seed in range(1, 4)])
    rows = {row.name: row for row in of.rows}
    assert of.latency.value < 24
    assert 96 < rows["latency_p50"].before.value < 168
    assert rows["office"].meshline.value < rows["office"].before.value / 4
    assert rows["withheld"].difference.value < 0
    assert rows["leaked_share"].meshline.value < rows["leaked_share"].before.value + 0.02
    assert rows["leaked"].meshline.value < rows["wrong"].meshline.value
    assert rows["leaked"].before.value == rows["wrong"].before.value
    assert rows["recovered"].before.value == 0 < rows["recovered"].meshline.value


# --- by hand ---------------------------------------------------------------------------------


def one(
    contents: Contents = "fine", reason: ReturnReason = "unwanted", *, days: int = 5,
    final_sale: bool = False, at_fault: bool = False, customer: Customer = "regular",
    risk: str = "low", luck: float = 0.5,
) -> Wanted:  # fmt: skip
    """A return of one unit at 60.00 and 4.80 tax."""
    line = OrderLine(line_id="1", sku="x", quantity=1, unit_price_minor=6_000, tax_minor=480)
    order = Order(
        id="order:scenario:1", source="scenario", external_id="1", channel="web", currency="USD",
        placed_at=MONDAY - timedelta(days=days + 4), lines=(line,), ship_to=Destination(),
        shipping_minor=600, tax_minor=480, total_minor=7_080, risk=risk,
    )  # fmt: skip
    return Wanted(
        asked=MONDAY, order=order, units={"1": 1}, reason=reason,
        delivered=MONDAY - timedelta(days=days), final_sale=final_sale, customer=customer,
        recent=0, yearly_orders=1 if customer == "new" else 4, gone=0, contents=contents,
        at_fault=at_fault, sent=True, luck=Luck(luck, luck, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("it", "owed", "why"),
    [
        (one(), 6_480, ""),
        (one("broken", "defective", at_fault=True), 7_080, ""),  # with shipping
        (one("used"), 0, "used"),
        (one("wrong_item"), 0, "wrong item"),
        (one("empty"), 0, "empty box"),
        (one(days=31), 0, "out of terms"),
        (one(final_sale=True), 0, "out of terms"),
        (one(reason="not_as_described", days=31), 0, "out of terms"),
        (one("broken", "defective", days=31, at_fault=True), 7_080, ""),
    ],
)
def test_what_is_owed(it: Wanted, owed: int, why: str) -> None:
    assert (Course(it).owed_minor, kind(it)) == (owed, why)


def course(
    it: Wanted, minor: int, ended: Ending = "paid", after: float = 10, back: int = 0
) -> Course:
    at = MONDAY + timedelta(hours=after)
    paid = [Paid(at, "inspection", RefundSum(other_minor=minor))] if minor else []
    handed_over = MONDAY + timedelta(hours=4)
    return Course(it, handed_over=handed_over, paid=paid, ended=ended, recovered_minor=back)


def test_leaked_and_withheld_by_hand() -> None:
    courses = [
        course(one(), 6_480),  # right
        course(one("used"), 6_480),  # leaked
        course(one(days=40), 6_480),  # leaked
        course(one(), 0, "refused"),  # withheld
        course(one(), 0, "declined"),  # withheld
        course(one("empty"), 0, "refused"),  # right
        course(one(), 0, "not_sent"),  # nothing came
        course(one("empty"), 6_480, back=6_480),  # taken back
        course(one(days=5, final_sale=True), 6_480, back=480),  # of which a part
        course(one(), 6_480, after=20, back=6_480),  # taken back by mistake
    ]
    assert [leaked(c) for c in courses] == [0, 6_480, 6_480, 0, 0, 0, 0, 0, 6_000, 0]
    assert [withheld(c) for c in courses] == [0, 0, 0, 6_480, 6_480, 0, 0, 0, 0, 6_480]
    sums = measured(courses)
    assert (sums.paid_minor, sums.wrong_minor, sums.recovered_minor) == (38_880, 25_920, 13_440)
    assert (sums.leaked_minor, sums.withheld_minor) == (18_960, 19_440)
    assert dict(zip(KINDS, sums.leaked_by, strict=True)) == {
        "out of terms": 12_480, "used": 6_480, "wrong item": 0, "empty box": 0,
    }  # fmt: skip
    # of the owed refunds alone, since the hand-over and since the request
    assert waits(courses, since_hand_over=True) == (6.0, 16.0)
    assert waits(courses, since_hand_over=False) == (10.0, 20.0)


def test_what_people_and_the_inspection_see() -> None:
    assert grade(P, one("used", luck=0.79)) == "damaged"
    assert grade(P, one("used", luck=0.81)) == "opened"
    assert grade(P, one("wrong_item", luck=0.99)) == "opened"
    assert grade(P, one("empty", luck=0.99)) == "missing"
    assert grade(P, one(luck=0.005)) == "wrong_item"  # by mistake
    assert not agrees(P, one(luck=0.005), suspicious=False)  # by mistake
    assert agrees(P, one(days=31, luck=0.05), suspicious=False)  # overlooked
    assert not agrees(P, one(days=31, luck=0.2), suspicious=False)
    assert agrees(P, one(reason="defective", days=31, luck=0.2), suspicious=False)  # believed
    assert agrees(P, one("empty", luck=0.2), suspicious=False)  # nobody can know
    assert not agrees(P, one("empty", luck=0.2), suspicious=True)


def test_snapshots_hold_what_the_product_knows_and_not_the_truth() -> None:
    it = one("empty", risk="high")
    asked = return_snapshot(it, MONDAY)
    assert (asked.delivered_at, asked.yearly_orders, len(asked.fraud_signals)) == (
        it.delivered, 4, 1,
    )  # fmt: skip
    assert [(x.line_id, x.quantity, x.unit_price_minor) for x in asked.lines] == [("1", 1, 6_000)]
    money = refund_snapshot(Course(it), 6_480, MONDAY)
    assert (money.captured_minor, money.settled_minor) == (7_080, 0)
    assert money.fraud_signals == asked.fraud_signals
    fine = it.__class__(**{**it.__dict__, "contents": "fine"})
    assert return_snapshot(fine, MONDAY) == asked


def test_work_is_done_in_working_hours_and_in_turn() -> None:
    calendar = Calendar(ZONE, frozenset({"2026-03-03"}))
    desk = Desk(calendar, 90.0)
    friday = datetime(2026, 2, 27, 21, tzinfo=UTC)  # four in the afternoon
    assert desk.done(friday) == datetime(2026, 3, 2, 14, 30, tzinfo=UTC)  # half an hour of Monday
    assert desk.done(friday) == datetime(2026, 3, 2, 16, tzinfo=UTC)  # behind it
    late = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)
    assert desk.done(late) == datetime(2026, 3, 4, 15, tzinfo=UTC)  # Tuesday is a holiday
    assert calendar.next_at(time(16), MONDAY) == datetime(2026, 3, 2, 21, tzinfo=UTC)
    assert calendar.next_at(time(16), late) == datetime(2026, 3, 4, 21, tzinfo=UTC)


def test_who_is_asked_first_is_looked_at_first(network: Network) -> None:
    class Looks:
        """A side that lets a person look at everything, and refuses it."""

        def __init__(self) -> None:
            self.seen: list[Course] = []

        def asked(self, world: World, course: Course, now: datetime) -> None:
            world.look(course, now, lambda c, at: self.seen.append(c))

        def scanned(self, world: World, course: Course, now: datetime) -> None: ...
        def counted(self, world: World, course: Course, now: datetime) -> None: ...
        def passed(self, world: World, course: Course, now: datetime) -> None: ...
        def refused(self, world: World, course: Course) -> None: ...

    side = Looks()
    calendar = calendar_of(network, P)
    World(P, calendar, side).play(wanted(P, 2, calendar.zone))
    asked = [c.wanted.asked for c in side.seen]
    assert len(asked) > 100
    assert asked == sorted(asked)


# --- read out --------------------------------------------------------------------------------


def run(seed: int, before: int, ours: int) -> SeedRun:
    def side(minor: int, waited: list[float]) -> Played:
        sums = Measures(
            returns=100, paid=80, declined=5, refused=5, not_sent=10, open=0, paid_minor=400_000,
            wrong_minor=minor, recovered_minor=0, leaked_minor=minor, leaked_by=(minor, 0, 0, 0),
            withheld_minor=0, withheld=0, kept=0, first_scan=40, receipt=0, inspection=40,
            office=150, dock=160,
        )  # fmt: skip
        return Played(sums, np.array(waited), np.array(waited))

    return SeedRun(seed, {BEFORE: side(before, [100.0, 140.0]), MESHLINE: side(ours, [2.0, 20.0])})


def test_figures_are_of_all_seeds_together_and_paired() -> None:
    runs = [run(seed, 1_000 * seed, 1_000 * seed - 100) for seed in range(1, 9)]
    of = compare(runs)
    assert of.in_time and of.leaks_no_more
    assert of.latency.value == 11.0
    assert of.leaks.value == of.leaks.low == of.leaks.high == -1.0  # what is common cancels out
    assert hours(50, "since_asked")(runs, BEFORE) == 120.0
    assert ratio("first_scan", "paid")(runs, MESHLINE) == 0.5
    assert not compare([run(seed, 1_000, 900 + 20 * seed) for seed in range(1, 9)]).leaks_no_more
    slow = Comparison((), Estimate(23.0, 22.0, 25.0), Estimate(0.0, 0.0, 0.0))
    assert not slow.in_time and slow.leaks_no_more


def test_each_variant_changes_something_and_is_read_out() -> None:
    base, *others = variants(P)
    assert base.parameters == P
    assert len({v.name for v in others}) == len({v.parameters for v in others}) == len(others)
    finding = found("x", [run(1, 1_000, 900)])
    assert (finding.leaked, finding.leaks.value) == ((10.0, 9.0), -1.0)
    assert finding.latency_p50 == (120.0, 11.0)


def test_limits_of_the_refund_policy_are_those_of_the_run(
    network: Network, library: Library
) -> None:
    careful = next(v for v in variants(P) if v.name == "all after the inspection").parameters
    courses = play(network, library, replace(careful, days=7), 1)[MESHLINE]
    assert {each.stage for c in courses for each in c.paid} == {"kept", "inspection"}
