"""Goods instead of money: the order that replaces what came back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from domain.order import IncomingOrder, Order, OrderLine, Payment, order_id
from domain.refunds import RefundSum
from domain.returns import EXCHANGE, PREFIX
from store import events, orders, returns
from store.personal import Vault


def open_exchange(connection: Connection, vault: Vault, refund: Row[Any], at: datetime) -> str:
    """Take in the order of an exchange; its ID. It costs nothing, and goes where the first went.

    Args:
        refund: the row of what is given back in goods.
    """
    first = orders.load(connection, refund.order_id)
    instead = {x.line_id: x.instead for x in returns.lines(connection, refund.return_id)}
    parts = RefundSum.model_validate_json(refund.body).parts
    lines = {x.line_id: x for x in first.lines}
    number = refund.id.rpartition("/")[2]
    external = f"{refund.return_id.removeprefix(PREFIX)}:{number}"
    order = Order(
        id=order_id(EXCHANGE, external),
        source=EXCHANGE,
        external_id=external,
        number=f"{first.number}-X{number}",
        channel=first.channel,
        currency=first.currency,
        placed_at=at,
        lines=tuple(
            OrderLine(
                line_id=part.line_id,
                sku=instead.get(part.line_id) or lines[part.line_id].sku,
                title="" if instead.get(part.line_id) else lines[part.line_id].title,
                quantity=part.quantity,
            )
            for part in parts
        ),
        ship_to=first.ship_to,
        shipping_method=first.shipping_method,
        payment=Payment(),
        tags=(EXCHANGE,),
    )
    address = vault.open(connection, first.ship_to.address_ref)
    incoming = IncomingOrder(order=order, address=address)
    orders.receive(connection, vault, incoming, at, None, None)
    events.append(
        connection, refund.return_id, "return.exchanged", at, order_id=order.id, refund=refund.id
    )
    return order.id
