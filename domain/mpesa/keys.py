"""The keys by which pushes are found and held apart. Stored only as keyed hashes."""

from __future__ import annotations

from domain.mpesa.errors import (
    AccountReferenceTaken,
    AlreadyPosted,
    AskedAgainAlready,
    PaymentRequestAlreadyWaiting,
)
from domain.mpesa.payer import phone_hash
from domain.mpesa.stk_push import Push
from domain.store import AggregateStore, Key

ACCOUNT_REFERENCE = "push.account_reference"
LIVE_PHONE = "push.live_phone"
POSTING = "push.posting"
PAYER_AND_AMOUNT = "push.payer_and_amount"
RETRY = "push.retry"


def reference_key(account_reference: str) -> Key:
    """Each push carries a reference of its own, by which its receipt finds it."""
    return Key(ACCOUNT_REFERENCE, account_reference, taken=AccountReferenceTaken)


def live_phone_key(phone: str) -> Key:
    """One live push a phone: the member could not tell two prompts apart."""
    return Key(LIVE_PHONE, phone, taken=PaymentRequestAlreadyWaiting)


def posting_key(push: Push) -> Key:
    """A push is posted once, by its receipt or without it: both ways make this claim."""
    return Key(POSTING, str(push.id), taken=AlreadyPosted)


def retry_key(push: Push) -> Key:
    """A push is asked again once; then its successor may be."""
    return Key(RETRY, str(push.id), taken=AskedAgainAlready)


def payer_and_amount(payer_hash: str, amount_cents: int) -> str:
    """The value under which pushes of one payer and amount are found. A till tells no more."""
    return f"{payer_hash}/{amount_cents}"


def payer_key(push: Push) -> Key | None:
    """Held, by any number of pushes, while a receipt may come. None once the person is erased."""
    if push.phone is None:
        return None
    return Key(PAYER_AND_AMOUNT, payer_and_amount(phone_hash(push.phone), push.push_cents))


def release_phone(push: Push, store: AggregateStore, *, claims: tuple[Key, ...] = ()) -> None:
    """Save a push that waits on the phone no more, so that another may be asked for.

    One whose receipt came, or whose failure is definite, is no longer looked for by payer either.
    An erased member's keys were released by the erasure.
    """
    releases = [Key(LIVE_PHONE, push.phone)] if push.phone else []
    by_payer = payer_key(push)
    if by_payer is not None and (push.receipt_id is not None or push.definite_failure):
        releases.append(by_payer)
    store.save(push, claims=claims, releases=tuple(releases))
