"""What the simulated M-Pesa is told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.mpesa.simulator.certificate import INITIATOR_NAME, INITIATOR_PASSWORD


@dataclass(frozen=True, kw_only=True)
class SimulatorSettings:
    """One merchant, and the pace of the pretended payers. The client must use the same values."""

    consumer_key: str
    consumer_secret: str = field(repr=False)
    short_code: str
    pass_key: str = field(repr=False)
    initiator_name: str = INITIATOR_NAME
    initiator_password: str = field(default=INITIATOR_PASSWORD, repr=False)
    private_key_pem: str = field(default="", repr=False)  # without it, no credential is right
    wrong_credentials_max: int = 3  # in a row, and the initiator is locked
    utility_shillings: int = 1_000_000  # what the accounts hold at the start
    working_shillings: int = 500_000
    delay_seconds_min: float = 0.2  # from the acknowledgement to the payer's decision
    delay_seconds_max: float = 1.0
    late_seconds: float = 3.0  # from a first result to the one that corrects it
    validation_seconds_max: float = 8.0  # how long a paybill validation may take
    silence_seconds_max: float = 60.0  # how long a withheld answer holds its connection
    pulled_page_rows: int = 100
    remembered_max: int = 100_000  # requests, and rows of the ledger; the oldest go first

    def __post_init__(self) -> None:
        assert 0 <= self.delay_seconds_min <= self.delay_seconds_max
        assert self.late_seconds >= 0
        assert self.remembered_max > 0
