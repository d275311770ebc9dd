"""Who we are to Daraja: one app, one shortcode, and the secrets of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SANDBOX_BASE_URL = "https://sandbox.safaricom.co.ke"
PRODUCTION_BASE_URL = "https://api.safaricom.co.ke"

TransactionType = Literal["CustomerPayBillOnline", "CustomerBuyGoodsOnline"]
PAY_BILL: TransactionType = "CustomerPayBillOnline"
BUY_GOODS: TransactionType = "CustomerBuyGoodsOnline"


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """One Daraja app. `name` is our own word for it, and the key of its shared token.

    For a paybill `party_b` is the short code again. For a till, `short_code` is the store number
    that owns the pass key, and `party_b` the till number.
    """

    name: str
    base_url: str
    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    short_code: str
    pass_key: str = field(repr=False)
    transaction_type: TransactionType
    party_b: str

    def __post_init__(self) -> None:
        assert self.short_code.isascii()
        assert self.short_code.isdigit()
        assert self.party_b.isascii()
        assert self.party_b.isdigit()
        assert not self.base_url.endswith("/"), "paths bring their own slash"
        if self.transaction_type == PAY_BILL:
            assert self.party_b == self.short_code, "a paybill is paid under its own short code"
