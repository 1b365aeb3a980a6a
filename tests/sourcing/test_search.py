"""The search equals a brute force, keeps to the stock and covers exactly the open lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.decision import RouteSnapshot, RuleHit
from domain.facts import LineFacts, NodeFacts, OrderFacts, RateCard, ServiceFacts, TransitFacts
from sourcing import Pricer, Verdicts, best_plans, search

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CARTONS = ((2_000, 1_500, 1_000), (4_000, 3_000, 2_500))
GROUND = ((1, 900), (3, 1_000), (8, 1_500))
EXPRESS = ((1, 2_500), (3, 3_600), (8, 5_000))


def line(index: int, sku: str, quantity: int, weight_g: int = 400, side: int = 800) -> LineFacts:
    return LineFacts(
        line_id=f"l{index}",
        sku=sku,
        quantity=quantity,
        weight_mg=weight_g * 1_000,
        length=side,
        width=side,
        height=side // 2,
    )


def node(name: str, zone: int = 2, order_cost: int = 200, **stock: int) -> NodeFacts:
    return NodeFacts(
        id=name,
        kind="dc",
        connector="wms",
        queue="wms-q",
        region="NY",
        distance_miles=100,
        ship_at=NOW + timedelta(hours=4),
        stock=stock,
        zones={"ups": zone},
        order_cost_minor=order_cost,
        line_cost_minor=25,
        unit_cost_minor=10,
        cartons=CARTONS,
    )


def snapshot(
    lines: list[LineFacts], nodes: list[NodeFacts], *, parcels: int = 3, promise_days: int = 3
) -> RouteSnapshot:
    everywhere = tuple(n.id for n in nodes)
    ground = {z: TransitFacts(p50=z - 1, p90=z) for z in range(2, 6)}
    fast = {z: TransitFacts(p50=1, p90=1) for z in range(2, 6)}

    def card(name: str, rows: tuple[tuple[int, int], ...]) -> RateCard:
        breaks = {z: tuple((lb, price + 130 * z) for lb, price in rows) for z in range(2, 6)}
        return RateCard(
            name=name,
            effective=NOW,
            dim_divisor=139,
            fuel_percent=20,
            per_pound_over_minor=90,
            breaks=breaks,
        )

    def service(name: str, transit: dict[int, TransitFacts], express: bool) -> ServiceFacts:
        return ServiceFacts(
            id=name,
            carrier="ups",
            service=name,
            connector="label",
            queue="label-q",
            express=express,
            card=name,
            transit=transit,
            nodes=everywhere,
        )

    order = OrderFacts(
        id="order:shop:1",
        source="shop",
        channel="web",
        currency="USD",
        country="US",
        region="NY",
        postal3="100",
        placed_at=NOW,
        promise_by=NOW + timedelta(days=promise_days),
        max_parcels=parcels,
        lines=tuple(lines),
    )
    return RouteSnapshot(
        now=NOW,
        order=order,
        nodes=tuple(nodes),
        services=(service("express", fast, True), service("ground", ground, False)),
        rate_cards=(card("ground", GROUND), card("express", EXPRESS)),
    )


def brute_force(snap: RouteSnapshot, verdicts: Verdicts) -> Iterator[int]:
    """Cost of every plan: all whole-unit allocations over all sets of nodes, no bound."""
    pricer = Pricer(snap)
    lines, demand = pricer.lines, Counter[str]()
    for each in lines:
        demand[each.sku] += each.quantity

    def ways(i: int, chosen: tuple[int, ...]) -> list[tuple[int, ...]]:
        stock = [
            0
            if (lines[i].line_id, pricer.nodes[n].id) in verdicts.excluded
            else pricer.nodes[n].stock.get(lines[i].sku, 0)
            for n in chosen
        ]
        wanted = lines[i].quantity
        spread = product(*(range(min(s, wanted) + 1) for s in stock))
        found = [w for w in spread if sum(w) == wanted]
        if any(s >= demand[lines[i].sku] for s in stock):
            found = [w for w in found if max(w) == wanted]
        return found

    most = verdicts.max_parcels or snap.order.max_parcels
    for size in range(1, most + 1):
        for chosen in combinations(range(len(pricer.nodes)), size):
            for given_out in product(*(ways(i, chosen) for i in range(len(lines)))):
                loads = [
                    tuple((i, w[p]) for i, w in enumerate(given_out) if w[p]) for p in range(size)
                ]
                if not all(loads) or _oversold(pricer, chosen, loads):
                    continue
                yield from _costs(pricer, verdicts, chosen, loads)


def _oversold(
    pricer: Pricer, chosen: tuple[int, ...], loads: list[tuple[tuple[int, int], ...]]
) -> bool:
    for n, load in zip(chosen, loads, strict=True):
        taken = Counter[str]()
        for i, units in load:
            taken[pricer.lines[i].sku] += units
        if any(pricer.nodes[n].stock.get(sku, 0) < units for sku, units in taken.items()):
            return True
    return False


def _costs(
    pricer: Pricer,
    verdicts: Verdicts,
    chosen: tuple[int, ...],
    loads: list[tuple[tuple[int, int], ...]],
) -> Iterator[int]:
    for services in product(range(len(pricer.services)), repeat=len(chosen)):
        total = 0
        for n, s, load in zip(chosen, services, loads, strict=True):
            pair = (pricer.nodes[n].id, pricer.services[s].id)
            lane = pricer.lanes.get((n, s))
            if lane is None or (verdicts.kept is not None and pair not in verdicts.kept):
                break
            quote = pricer.quote(lane, load)
            assert quote is not None
            total += quote.shipping + quote.handling + pricer.scarcity(n, load)
            total += verdicts.adjustment_minor.get(pair, 0)
            total += verdicts.lateness_minor_per_day * lane.days_late
        else:
            yield total


@st.composite
def instances(draw: st.DrawFn) -> tuple[RouteSnapshot, Verdicts]:
    skus = ["a", "b", "c"]
    lines = [
        line(i, draw(st.sampled_from(skus)), draw(st.integers(1, 3)), draw(st.integers(50, 3_000)))
        for i in range(draw(st.integers(1, 3)))
    ]
    nodes = [
        node(
            f"n{i}",
            draw(st.integers(2, 5)),
            draw(st.integers(0, 400)),
            **{sku: draw(st.integers(0, 4)) for sku in skus},
        ).model_copy(
            update={"bids": draw(st.dictionaries(st.sampled_from(skus), st.integers(1, 900)))}
        )
        for i in range(draw(st.integers(1, 4)))
    ]
    snap = snapshot(lines, nodes, parcels=draw(st.integers(1, 3)))
    pairs = [(n.id, s) for n in nodes for s in ("ground", "express")]
    kept = draw(st.none() | st.frozensets(st.sampled_from(pairs)))
    spots = [(each.line_id, n.id) for each in lines for n in nodes]
    verdicts = Verdicts(
        kept=kept,
        adjustment_minor=draw(st.dictionaries(st.sampled_from(pairs), st.integers(-500, 500))),
        excluded=draw(st.frozensets(st.sampled_from(spots), max_size=2)),
        lateness_minor_per_day=draw(st.sampled_from([0, 700, 5_000])),
        max_parcels=draw(st.none() | st.integers(1, 2)),
    )
    return snap, verdicts


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=instances(), k=st.sampled_from([1, 3, 20]))
def test_the_best_plans_cost_what_a_brute_force_finds(
    case: tuple[RouteSnapshot, Verdicts], k: int
) -> None:
    snap, verdicts = case
    wanted = sorted(brute_force(snap, verdicts))[:k]
    assert [p.cost.total for p in best_plans(snap, verdicts, k)] == wanted


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=instances())
def test_plans_cover_the_open_lines_within_the_stock_and_respect_every_exclusion(
    case: tuple[RouteSnapshot, Verdicts],
) -> None:
    snap, verdicts = case
    wanted = {each.line_id: each.quantity for each in snap.order.lines}
    stock = {n.id: n.stock for n in snap.nodes}
    for plan in best_plans(snap, verdicts, 20):
        covered, taken = Counter[str](), Counter[tuple[str, str]]()
        for part in plan.fulfillments:
            in_parcels = Counter[str]()
            for parcel in part.parcels:
                in_parcels.update({q.line_id: q.quantity for q in parcel.lines})
            assert in_parcels == {q.line_id: q.quantity for q in part.lines}
            assert verdicts.kept is None or (part.node, part.service) in verdicts.kept
            for q in part.lines:
                assert (q.line_id, part.node) not in verdicts.excluded
                covered[q.line_id] += q.quantity
                taken[part.node, q.sku] += q.quantity
        assert covered == wanted
        limit = verdicts.max_parcels
        assert len(plan.fulfillments) <= (snap.order.max_parcels if limit is None else limit)
        assert all(stock[n].get(sku, 0) >= units for (n, sku), units in taken.items())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(case=instances())
def test_the_order_of_the_input_does_not_matter(case: tuple[RouteSnapshot, Verdicts]) -> None:
    snap, verdicts = case
    turned = snap.model_copy(
        update={"nodes": snap.nodes[::-1], "services": snap.services[::-1]}
        | {"order": snap.order.model_copy(update={"lines": snap.order.lines[::-1]})}
    )
    assert best_plans(turned, verdicts, 20) == best_plans(snap, verdicts, 20)


def test_a_line_that_nobody_holds_whole_is_split() -> None:
    snap = snapshot([line(0, "a", 5)], [node("n1", a=3), node("n2", a=4)])
    (best, *_) = best_plans(snap, Verdicts(), 20)
    assert {f.node for f in best.fulfillments} == {"n1", "n2"}


def test_a_line_of_a_thousand_units_is_split_without_trying_every_split() -> None:
    small = line(0, "a", 1_000, 1, 20)
    nodes = [node(f"n{i}", a=400) for i in range(6)]
    found = search(snapshot([small], nodes), Verdicts(), 5)
    assert found.exact
    assert found.steps < 2_000
    assert sum(q.quantity for f in found.plans[0].fulfillments for q in f.lines) == 1_000


def test_two_lines_of_one_sku_share_its_stock() -> None:
    snap = snapshot([line(0, "a", 3), line(1, "a", 3)], [node("n1", a=5), node("n2", a=1)])
    (best, *_) = best_plans(snap, Verdicts(), 20)
    assert len(best.fulfillments) == 2


def test_express_is_chosen_when_lateness_costs_more() -> None:
    snap = snapshot([line(0, "a", 1)], [node("n1", zone=5, a=1)], promise_days=2)
    free = best_plans(snap, Verdicts(), 1)[0]
    late = best_plans(snap, Verdicts(lateness_minor_per_day=5_000), 1)[0]
    assert (free.fulfillments[0].service, late.fulfillments[0].service) == ("ground", "express")
    assert late.cost.lateness == 0


def test_a_plan_carries_everything_that_releases_it() -> None:
    hit = RuleHit(policy="p", step="s", rule="r", because="near")
    pair = ("n1", "ground")
    verdicts = Verdicts(adjustment_minor={pair: -50}, hits={pair: (hit,)})
    plan = best_plans(snapshot([line(0, "a", 1)], [node("n1", a=1)]), verdicts, 1)[0]
    (part,) = plan.fulfillments
    assert (part.connector, part.queue, part.carrier) == ("wms", "wms-q", "ups")
    assert (part.carrier_connector, part.carrier_queue) == ("label", "label-q")
    assert plan.cost.adjustments == -50
    assert plan.cash_minor == plan.cost.shipping + 235
    assert part.cost_minor == plan.cost.shipping
    assert plan.hits == (hit,)
    assert len(plan.id) == 12


def test_nothing_is_planned_without_stock_services_or_lines() -> None:
    none = snapshot([line(0, "a", 2)], [node("n1", a=1)])
    assert best_plans(none, Verdicts(), 5) == []
    assert best_plans(snapshot([line(0, "a", 0)], [node("n1", a=1)]), Verdicts(), 5) == []
    held = snapshot([line(0, "a", 1)], [node("n1", a=1)])
    assert best_plans(held, Verdicts(kept=frozenset()), 5) == []


@pytest.mark.parametrize("lines", [12, 40])
def test_a_very_large_order_stops_at_the_step_limit_with_a_plan(lines: int) -> None:
    many = [line(i, f"s{i}", 1, 200 + 37 * i) for i in range(lines)]
    stock = {f"s{i}": 1 for i in range(lines)}
    nodes = [node(f"n{j}", zone=2 + j % 4, **stock) for j in range(10)]
    assert search(snapshot(many, nodes), Verdicts(), 20).plans


def test_a_very_large_order_that_no_node_holds_still_gets_a_plan() -> None:
    many = [line(i, f"s{i}", 1, 200 + 37 * i) for i in range(40)]
    nodes = [
        node(f"n{j}", zone=2 + j % 4, **{f"s{i}": 1 for i in range(40) if i % 10 != j})
        for j in range(10)
    ]
    found = search(snapshot(many, nodes), Verdicts(), 20)
    assert found.plans
    assert not found.exact


def test_hazardous_goods_without_dimensions_are_priced_as_the_parcels_that_they_travel_in() -> None:
    plain, acid = line(0, "a", 1, side=0), line(1, "b", 1, side=0)
    acid = acid.model_copy(update={"hazmat": True})
    snap = snapshot([plain, acid], [node("n1", a=1, b=1)])
    (best, *_) = best_plans(snap, Verdicts(), 1)
    assert len(best.fulfillments[0].parcels) == 2
    alone = [
        best_plans(snapshot([x], [node("n1", a=1, b=1)]), Verdicts(), 1)[0] for x in (plain, acid)
    ]
    assert best.cost.shipping == sum(plan.cost.shipping for plan in alone)
