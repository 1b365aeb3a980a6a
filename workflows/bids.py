"""Again and again: what is stock worth to the orders that are still to come?"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.contracts import Activity
    from domain.stock_pricing import BidStart, PriceStock, StockPriced


@workflow.defn(name="BidPrices")
class BidPricesWorkflow:
    """One look. Should it fail, the bids that are there run out by themselves."""

    @workflow.run
    async def run(self, start: BidStart) -> StockPriced:
        at = start.clock.at(workflow.now())
        found: StockPriced = await workflow.execute_activity(
            Activity.PRICE_STOCK,
            PriceStock(
                key=f"{workflow.info().workflow_id}/{workflow.info().run_id}",
                at=at,
                until=at + timedelta(hours=start.hours),
            ),
            result_type=StockPriced,
            start_to_close_timeout=timedelta(minutes=5),
            summary="what scarce stock is worth",
        )
        workflow.set_current_details(
            f"{found.bids} prices in force, from {found.orders} orders that stand for "
            f"{found.expected} to come"
        )
        return found
