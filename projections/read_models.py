"""The table of read models. To add one: write its file, add its line."""

from collections.abc import Mapping

from projections.contributions import CONTRIBUTIONS
from projections.loans import LOANS
from projections.members import MEMBERS
from projections.mpesa_due import MPESA_DUE
from projections.mpesa_transactions import MPESA_TRANSACTIONS
from projections.payouts import PAYOUTS
from projections.read_model import ReadModel
from projections.reconciliation import RECONCILIATION
from projections.summary import SUMMARY
from projections.webhook_endpoints import WEBHOOK_ENDPOINTS

READ_MODELS: Mapping[str, ReadModel] = {
    model.name: model
    for model in (
        *(MPESA_DUE, MEMBERS, CONTRIBUTIONS, LOANS, SUMMARY, MPESA_TRANSACTIONS, PAYOUTS),
        *(RECONCILIATION, WEBHOOK_ENDPOINTS),
    )
}
