"""Who we are to Daraja: one app, one shortcode, and the secrets of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

SANDBOX_BASE_URL = "https://sandbox.safaricom.co.ke"
PRODUCTION_BASE_URL = "https://api.safaricom.co.ke"

TransactionType = Literal["CustomerPayBillOnline", "CustomerBuyGoodsOnline"]
PAY_BILL: TransactionType = "CustomerPayBillOnline"
BUY_GOODS: TransactionType = "CustomerBuyGoodsOnline"


class C2bVersion(StrEnum):
    """Under which version an app's product registers paybill addresses."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, kw_only=True)
class Initiator:
    """The API user in whose name money goes out, and whom status and balance are told to.

    The certificate is Safaricom's (PEM), one for the sandbox and another for production: the
    password leaves encrypted under its key.
    """

    name: str
    password: str = field(repr=False)
    certificate_pem: str = field(repr=False)


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
    initiator: Initiator | None = None
    c2b_version: C2bVersion = C2bVersion.V2

    def __post_init__(self) -> None:
        assert self.short_code.isascii()
        assert self.short_code.isdigit()
        assert self.party_b.isascii()
        assert self.party_b.isdigit()
        assert not self.base_url.endswith("/"), "paths bring their own slash"
        if self.transaction_type == PAY_BILL:
            assert self.party_b == self.short_code, "a paybill is paid under its own short code"
