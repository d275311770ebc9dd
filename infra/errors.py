"""What goes wrong with other people's machines.

InfrastructureError
├── MigrationError, SettingsError, MasterKeyError, LogNotSafe ...  a person must act
└── Contention, IdempotencyClaimLapsed                             somebody else was first
"""


class InfrastructureError(Exception):
    """Something outside the domain does not work. The sentence says what to do."""


class SettingsError(InfrastructureError):
    """A setting is missing or makes no sense."""
