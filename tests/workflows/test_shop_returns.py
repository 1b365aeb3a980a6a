"""Returns that customers ask for in a shop: it hears what came to nothing, and may call off."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError

from connectors import errors as e
from connectors.ports import Inbound
from domain.cases import CaseAction
from domain.fulfillment import Fact
from domain.returns import CancelReturn
from store import tables as t
from tests.bed import Bed
from tests.sending_back import (
    asked_in_shop,
    called_off_in_shop,
    delivered,
    ended,
    in_state,
    inspect,
    labelled,
    of,
    receive,
    units,
    wish_in_shop,
)

CARE = CancelReturn(user="casey", reason="keeps it")


def told(bed: Bed) -> list[str]:
    return [what for effect, what in bed.medusa.effects if effect == "return_cancelled"]


async def test_a_return_that_the_shop_tells_of_goes_the_way_of_any_other(bed: Bed) -> None:
    order = await delivered(bed, "storefront")
    wish, one = wish_in_shop(order), await asked_in_shop(bed, order)
    again = Inbound(returns=(wish,))
    assert bed.loops.door.commit("medusa", again) == 0, "webhook and poll tell of the same one"
    (mine,) = bed.rows(t.returns, order)
    assert (mine.id, mine.source, mine.external_id, mine.requester) == (
        one, "medusa", f"ret-{order}", "system",
    )  # fmt: skip
    await labelled(bed, mine.id)
    for more in (
        wish.model_copy(update={"external_id": "too-many", "lines": (units("1", 2),)}),
        wish.model_copy(update={"external_id": "unknown", "order_id": "order:medusa:nobody"}),
    ):
        assert bed.loops.door.commit("medusa", Inbound(returns=(more,))) == 0
    with bed.context.db.read() as connection:
        sources = set(connection.execute(select(t.problems.c.source)).scalars())
    assert len(bed.rows(t.returns, order)) == 1
    assert any("unknown" in s for s in sources) and len(sources) >= 2, sources
    await of(bed, mine.id).execute_update("cancel", CARE)
    assert await ended(bed, mine.id) == "cancelled"
    assert told(bed) == [f"ret-{order}"]


async def test_the_shop_hears_of_what_a_person_declines_and_of_nothing_else(bed: Bed) -> None:
    order = await delivered(bed, "declined", ("sku-dear", 15))
    mine = await asked_in_shop(bed, order, 15)
    case = await bed.case(mine, "return_review")
    await bed.decide(case, CaseAction.REJECT, "dana", comment="as the terms say")
    assert await ended(bed, mine) == "declined"
    assert told(bed) == [f"ret-{order}"]
    ours = await bed.come_back(order, ("1", 1, "unwanted"))
    await labelled(bed, ours)
    await of(bed, ours).execute_update("cancel", CARE)
    assert await ended(bed, ours) == "cancelled"
    assert len(told(bed)) == 1, "nobody asked for it there"


async def test_what_comes_back_is_not_cancelled_there(bed: Bed) -> None:
    order = await delivered(bed, "received")
    mine = await asked_in_shop(bed, order)
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED, Fact.DELIVERED)
    await receive(bed, mine, units("1", 1))
    await inspect(bed, mine, ("1", 1, "new"))
    assert await ended(bed, mine) == "closed"
    assert told(bed) == []


async def test_a_shop_that_does_not_cancel_is_a_case_until_it_does(bed: Bed) -> None:
    order = await delivered(bed, "stubborn")
    mine = await asked_in_shop(bed, order)
    await labelled(bed, mine)
    bed.medusa.refuse_cancel = True
    await of(bed, mine).execute_update("cancel", CARE)
    case = await bed.case(mine, "unconfirmed")
    assert "it is received there" in case.because
    assert bed.returned(mine).state == "cancelled"
    with pytest.raises(WorkflowUpdateFailedError, match="failed"):
        await of(bed, mine).execute_update("cancel", CARE)
    bed.medusa.refuse_cancel = False
    bed.medusa.fail("cancel_return", e.Retryable("medusa", "answers 409"))
    await bed.decide(case, CaseAction.RETRY, "pat")
    assert await ended(bed, mine) == "cancelled"
    assert told(bed) == [f"ret-{order}"]
    assert bed.ended(case.id)


async def test_what_is_cancelled_in_the_shop_ends_with_its_label_void(bed: Bed) -> None:
    order = await delivered(bed, "off")
    mine = await asked_in_shop(bed, order)
    await labelled(bed, mine)
    assert await called_off_in_shop(bed, order) == 1
    assert await called_off_in_shop(bed, order) == 0, "each poll tells of it again"
    assert await ended(bed, mine) == "cancelled"
    assert bed.returned(mine).because == "cancelled in the shop"
    assert bed.easypost.count("voided") == 1
    assert await called_off_in_shop(bed, order) == 0
    assert bed.loops.door.commit("medusa", Inbound(returns_off=("nobody-knows",))) == 0
    again = wish_in_shop(order, 2).model_copy(update={"external_id": "again"})
    assert bed.loops.door.commit("medusa", Inbound(returns=(again,))) == 1, "its units are free"


async def test_what_the_shop_cancels_before_anybody_has_begun_is_called_off(bed: Bed) -> None:
    order = await delivered(bed, "off-early")
    bed.loops.door.commit("medusa", Inbound(returns=(wish_in_shop(order),)))
    assert await called_off_in_shop(bed, order) == 1  # and there is no workflow to signal
    await bed.loops.dispatch_returns()
    (mine,) = bed.rows(t.returns, order)
    assert await ended(bed, mine.id) == "cancelled"
    assert bed.easypost.count("voided") == bed.easypost.count("bought") - 1


async def test_nobody_has_to_look_at_what_the_shop_has_cancelled(bed: Bed) -> None:
    order = await delivered(bed, "off-dear", ("sku-dear", 15))
    mine = await asked_in_shop(bed, order, 15)
    case = await bed.case(mine, "return_review")
    assert await called_off_in_shop(bed, order) == 1
    assert await ended(bed, mine) == "cancelled"
    assert bed.ended(case.id)


async def test_what_is_on_its_way_is_taken_in_whatever_the_shop_says(bed: Bed) -> None:
    order = await delivered(bed, "off-late")
    mine = await asked_in_shop(bed, order)
    await labelled(bed, mine)
    await bed.scan(mine, Fact.SHIPPED)
    await in_state(bed, mine, "in_transit")
    assert await called_off_in_shop(bed, order) == 1
    await bed.scan(mine, Fact.DELIVERED)
    await receive(bed, mine, units("1", 1))
    await inspect(bed, mine, ("1", 1, "new"))
    assert await ended(bed, mine) == "closed"
    assert [r.state for r in bed.rows(t.refunds, order)] == ["settled"]
