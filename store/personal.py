"""The one table with personal data, encrypted; everything else carries a reference."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Connection, bindparam, delete, select

from domain.base import InvalidInput, Problem
from domain.order import Address
from store import tables as t
from store.statements import insert_new

KEY_VARIABLE = "MESHLINE_PII_KEY"
_SEALED = select(t.addresses.c.sealed).where(t.addresses.c.ref == bindparam("of"))


class Vault:
    """Seals and opens addresses.

    Args:
        key: a Fernet key (32 bytes, URL-safe base64).

    Raises:
        InvalidInput: the key is missing or malformed.
    """

    def __init__(self, key: str) -> None:
        try:
            self._fernet = Fernet(key.encode())
        except (ValueError, TypeError):
            raise InvalidInput(
                Problem(
                    source="environment",
                    field=KEY_VARIABLE,
                    reason="is missing or is no 32-byte key in URL-safe base64",
                    remedy="Set it to the output of `meshline key`; keep it as safe as the data",
                )
            ) from None
        self._key = key.encode()

    @staticmethod
    def new_key() -> str:
        """A fresh key."""
        return Fernet.generate_key().decode()

    def seal(self, connection: Connection, address: Address, customer: str) -> str:
        """Store an address. The same content gives the same reference."""
        body = address.model_dump_json()
        ref = "addr-" + self._digest(body)[:24]
        insert_new(
            connection,
            t.addresses,
            {
                "ref": ref,
                "customer_key": self.customer_key(customer or address.email or body),
                "sealed": self._fernet.encrypt(body.encode()).decode(),
            },
        )
        return ref

    def open(self, connection: Connection, ref: str) -> Address:
        """The address behind a reference.

        Raises:
            LookupError: it was erased, or the key is another one.
        """
        return self.unseal(connection.execute(_SEALED, {"of": ref}).scalar(), ref)

    def unseal(self, sealed: str | None, ref: str) -> Address:
        """The address in a sealed text, where the caller has read it.

        Raises:
            LookupError: it was erased, or the key is another one.
        """
        if sealed is None:
            raise LookupError(f"address {ref!r} does not exist or was erased")
        try:
            return Address.model_validate_json(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise LookupError(f"address {ref!r} was sealed with another {KEY_VARIABLE}") from None

    def erase(self, connection: Connection, customer: str) -> int:
        """Forget a customer. Returns how many addresses were erased."""
        return connection.execute(
            delete(t.addresses).where(t.addresses.c.customer_key == self.customer_key(customer))
        ).rowcount

    def customer_key(self, customer: str) -> str:
        """Keyed hash of a customer's name in its source."""
        return self._digest("customer:" + customer.strip().lower())

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
