"""Which label of which parcel an ID names."""

from __future__ import annotations

import pytest

from domain.fulfillment import label_number


@pytest.mark.parametrize(
    ("shipment_id", "number"),
    [
        ("order:shop:1/g1f1/p1", (1, 1)),
        ("order:shop:1/g1f1/p12-3", (12, 3)),
        ("return:shop-1:1:1/p2", (2, 1)),
        ("told-by-the-node", (1, 1)),
    ],
)
def test_the_parcel_and_which_of_its_labels(shipment_id: str, number: tuple[int, int]) -> None:
    assert label_number(shipment_id) == number
