"""What a payment port promises, against the simulated Stripe."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from connectors import errors as e
from connectors.ports import ChargesAgain, PaymentProvider
from connectors.stripe import INTENT, Stripe, _Intent
from tests.contract.vendors import STILL, Losing, Running, Start, exports, shop_order


@pytest.fixture(scope="module")
def account(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    orders = [
        {"after_hours": 0.0, "delivery": "poll", "order": shop_order(n)} for n in range(1, 40)
    ]
    folder = exports(tmp_path_factory.mktemp("exports"), orders)
    yield start("stripe", STILL, "--exports", str(folder))


@pytest_asyncio.fixture
async def bank(account: Running) -> AsyncIterator[Stripe]:
    made = Stripe(account.config(), Losing())
    yield made
    await made.close()


def line_of(bank: Stripe) -> Losing:
    line = bank._http._client._transport
    assert isinstance(line, Losing)
    return line


def captured(account: Running, intent: str) -> list[int]:
    return [r["amount_minor"] for r in account.ledger("captured") if r["subject"] == intent]


def refunded(account: Running, intent: str) -> list[int]:
    return [r["amount_minor"] for r in account.ledger("refunded") if f'"{intent}"' in r["body"]]


async def test_the_connector_is_what_the_port_says(bank: Stripe) -> None:
    assert isinstance(bank, PaymentProvider)


async def test_an_intent_is_captured_once_under_any_key(bank: Stripe, account: Running) -> None:
    assert await bank.find_capture("pi_1") is None
    first = await bank.capture("pi_1", 2000, "USD", "order:shop:1", "key-1")
    assert (first.amount_minor, first.currency, first.status) == (2000, "USD", "settled")
    assert await bank.capture("pi_1", 2000, "USD", "order:shop:1", "key-1") == first
    assert await bank.capture("pi_1", 2000, "USD", "order:shop:1", "another") == first
    assert await bank.find_capture("pi_1") == first
    assert captured(account, "pi_1") == [2000]


async def test_a_lost_acknowledgement_does_not_double_a_capture_or_a_refund(
    bank: Stripe, account: Running
) -> None:
    line_of(bank).lose = "/capture"
    assert (await bank.capture("pi_2", 2736, "USD", "o", "key-2")).amount_minor == 2736
    line_of(bank).lose = "POST /v1/refunds"
    assert (await bank.refund("pi_2", 500, "USD", "rma-2", "refund-2")).amount_minor == 500
    assert (captured(account, "pi_2"), refunded(account, "pi_2")) == ([2736], [500])


async def test_too_much_is_refused_by_stripe_s_own_word(bank: Stripe) -> None:
    with pytest.raises(e.Refused) as refused:
        await bank.capture("pi_3", 999_999, "USD", "o", "key-3")
    assert refused.value.code == "amount_too_large"
    with pytest.raises(e.Refused) as missing:
        await bank.capture("pi_none", 1, "USD", "o", "key-none")
    assert missing.value.code == "resource_missing"
    assert await bank.find_capture("pi_none") is None


async def test_a_refund_is_made_once_a_reference_even_after_its_key_is_forgotten(
    bank: Stripe, account: Running
) -> None:
    await bank.capture("pi_4", 2736, "USD", "o", "key-4")
    assert await bank.find_refund("pi_4", "rma-a") is None
    first = await bank.refund("pi_4", 1000, "USD", "rma-a", "refund-a")
    assert await bank.refund("pi_4", 1000, "USD", "rma-a", "a fresh key") == first
    second = await bank.refund("pi_4", 1000, "USD", "rma-b", "refund-b")
    assert await bank.find_refund("pi_4", "rma-a") == first
    assert await bank.find_refund("pi_4", "rma-b") == second != first
    with pytest.raises(e.Refused):
        await bank.refund("pi_4", 1000, "USD", "rma-c", "refund-c")
    assert refunded(account, "pi_4") == [1000, 1000]


async def test_the_same_key_for_another_request_is_refused(bank: Stripe) -> None:
    await bank.capture("pi_5", 2000, "USD", "o", "key-5")
    with pytest.raises(e.Refused) as refused:
        await bank.capture("pi_6", 2000, "USD", "o", "key-5")
    assert refused.value.code == "idempotency_error"
    assert await bank.find_capture("pi_6") is None


async def _agreed(bank: Stripe, *, yes: bool) -> list[str]:
    """Payments of customers who have agreed that their card is charged again, or have not."""
    found = []
    for number in range(7, 40):
        intent = await bank._http.call(_Intent, "GET", INTENT, at={"id": f"pi_{number}"})
        assert intent.customer
        if (intent.setup_future_usage == "off_session") == yes:
            found.append(intent.id)
    return found


def charged_again(account: Running, reference: str) -> list[int]:
    return [
        r["amount_minor"] for r in account.ledger("charged_again") if r["reference"] == reference
    ]


async def test_a_card_is_charged_again_once_a_reference_whatever_gets_lost(
    bank: Stripe, account: Running
) -> None:
    assert isinstance(bank, ChargesAgain)
    declined = went_through = 0
    for number, intent in enumerate(await _agreed(bank, yes=True)):
        ours = f"return:shop:{number}:1/recovery"
        line_of(bank).lose = "POST /v1/payment_intents" if number % 2 else ""
        for attempt in range(8):
            try:
                first = await bank.charge_again(intent, 1_234, "USD", ours, f"again-{number}")
                break
            except e.Refused as refused:
                assert refused.code in ("card_declined", "authentication_required")
                declined += 1
                assert charged_again(account, ours) == [], attempt
        assert (first.amount_minor, first.currency, first.status) == (1_234, "USD", "settled")
        assert await bank.charge_again(intent, 1_234, "USD", ours, "a fresh key") == first
        assert charged_again(account, ours) == [1_234]
        went_through += 1
    assert went_through > 15 and declined > 0


async def test_a_card_whose_owner_has_not_agreed_is_left_alone(
    bank: Stripe, account: Running
) -> None:
    intent, *_ = await _agreed(bank, yes=False)
    with pytest.raises(e.Refused) as refused:
        await bank.charge_again(intent, 500, "USD", "return:shop:x:1/recovery", "k")
    assert refused.value.code == "not_reusable"
    assert charged_again(account, "return:shop:x:1/recovery") == []


async def test_a_storm_captures_every_intent_once_stored_failures_included(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    orders = [{"after_hours": 0, "delivery": "poll", "order": shop_order(n)} for n in range(12)]
    folder = exports(tmp_path_factory.mktemp("exports"), orders)
    more = ("--exports", str(folder), "--faults", "storm", "--seed", "27")
    account = start("stripe", STILL, *more)
    bank = Stripe(account.config())
    for number in range(12):
        intent = f"pi_{number}"
        for attempt in range(8):
            try:
                found = await bank.find_capture(intent) if attempt else None
                if not found:
                    await bank.capture(intent, 2000, "USD", "o", f"key-{number}")
                break
            except e.Retryable:
                continue
        assert captured(account, intent) == [2000]
    keys = [row["key"] for row in account.ledger("captured")]
    assert "key-0/2" in keys, "this seed answers the first capture with a failure and stores it"
    await bank.close()
