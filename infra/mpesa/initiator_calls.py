"""What the initiator (Safaricom's word for an API user with a password) may ask for.

Each call is acknowledged at once, which proves nothing, and answered later at `result_url`, or at
`timeout_url` when it waited too long in Safaricom's queue.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

from infra.mpesa.answers import CONVERSATION_ID_LENGTH_MAX, read_request_answer
from infra.mpesa.credentials import Credentials
from infra.mpesa.gateway import Fields, Gateway
from infra.mpesa.outcomes import Refused, RequestOutcome
from infra.mpesa.paths import BALANCE_PATH, PAYOUT_PATH, REVERSAL_PATH, STATUS_PATH
from infra.mpesa.security_credential import UnusableInitiator, security_credential
from infra.mpesa.stk_calls import AMOUNT_SHILLINGS_MAX, PHONE, plain_text
from infra.mpesa.wire import identifier

PayoutCommand = Literal["BusinessPayment", "SalaryPayment", "PromotionPayment"]
REMARKS_LENGTH_MAX = 100
_SHORT_CODE_IDENTIFIER = "4"
_ORGANISATION_IDENTIFIER = "11"


class InitiatorCalls:
    """The calls that leave in the initiator's name. Without one, each is Refused."""

    _credentials: Credentials
    _gateway: Gateway

    def pay_out(
        self,
        *,
        originator_conversation_id: str,
        phone: str,
        amount_shillings: int,
        command_id: PayoutCommand = "BusinessPayment",
        remarks: str,
        occasion: str,
        result_url: str,
        timeout_url: str,
    ) -> RequestOutcome:
        """Send money to a phone (B2C v3). The same id again is AlreadyTaken, and pays nothing."""
        assert identifier(originator_conversation_id, length_max=CONVERSATION_ID_LENGTH_MAX)
        assert PHONE.fullmatch(phone), "the phone must be 254 and nine digits"
        assert 1 <= amount_shillings <= AMOUNT_SHILLINGS_MAX
        fields: Fields = {
            "OriginatorConversationID": originator_conversation_id,
            "CommandID": command_id,
            "Amount": amount_shillings,
            "PartyA": int(self._credentials.short_code),
            "PartyB": int(phone),
            # Two s: that is how Safaricom writes it, here alone.
            "Occassion": plain_text(occasion, length_max=REMARKS_LENGTH_MAX),
        }
        return self._ask(
            PAYOUT_PATH,
            fields,
            initiator_key="InitiatorName",
            remarks=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
            moves_money=True,
        )

    def ask_status(
        self,
        *,
        originator_conversation_id: str | None = None,
        receipt_number: str | None = None,
        result_url: str,
        timeout_url: str,
    ) -> RequestOutcome:
        """Ask what became of a payout or a reversal, by its id or its receipt. Moves no money."""
        known = {
            "TransactionID": receipt_number,
            "OriginalConversationID": originator_conversation_id,
        }
        told = {name: value for name, value in known.items() if value is not None}
        assert told, "name the transaction by one of its ids"
        return self._ask(
            STATUS_PATH,
            {
                **told,
                "CommandID": "TransactionStatusQuery",
                "PartyA": self._credentials.short_code,
                "IdentifierType": _SHORT_CODE_IDENTIFIER,
                "Occasion": "Status",
            },
            remarks="Status",
            result_url=result_url,
            timeout_url=timeout_url,
        )

    def ask_balance(self, *, result_url: str, timeout_url: str) -> RequestOutcome:
        """Ask what the short code's accounts hold. Moves no money."""
        fields = {
            "CommandID": "AccountBalance",
            "PartyA": self._credentials.short_code,
            "IdentifierType": _SHORT_CODE_IDENTIFIER,
        }
        return self._ask(
            BALANCE_PATH,
            fields,
            remarks="Balance",
            result_url=result_url,
            timeout_url=timeout_url,
        )

    def reverse(
        self,
        *,
        receipt_number: str,
        amount_shillings: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
    ) -> RequestOutcome:
        """Send back what a customer paid to us.

        The protocol has no id of ours here, and needs none: a receipt is reversed once.
        """
        assert identifier(receipt_number, length_max=CONVERSATION_ID_LENGTH_MAX)
        assert 1 <= amount_shillings <= AMOUNT_SHILLINGS_MAX
        fields: Fields = {
            "CommandID": "TransactionReversal",
            "TransactionID": receipt_number,
            "Amount": amount_shillings,
            "ReceiverParty": self._credentials.short_code,
            # Misspelt by Safaricom; the right spelling is refused.
            "RecieverIdentifierType": _ORGANISATION_IDENTIFIER,
            "Occasion": "Reversal",
        }
        return self._ask(
            REVERSAL_PATH,
            fields,
            remarks=remarks,
            result_url=result_url,
            timeout_url=timeout_url,
            moves_money=True,
        )

    def _ask(
        self,
        path: str,
        fields: Fields,
        *,
        remarks: str,
        result_url: str,
        timeout_url: str,
        initiator_key: str = "Initiator",
        moves_money: bool = False,
    ) -> RequestOutcome:
        initiator = self._credentials.initiator
        if initiator is None:
            return Refused("initiator", "this short code has no initiator", is_configuration=True)
        try:
            credential = security_credential(initiator)
        except UnusableInitiator as error:
            return Refused("initiator", str(error), is_configuration=True)
        signed = {
            **fields,
            initiator_key: initiator.name,
            "SecurityCredential": credential,
            "Remarks": plain_text(remarks, length_max=REMARKS_LENGTH_MAX),
            "ResultURL": result_url,
            "QueueTimeOutURL": timeout_url,
        }
        read = partial(read_request_answer, moves_money=moves_money)
        urls = [result_url, timeout_url]
        return self._gateway.request(path, signed, read, callback_urls=urls)
