"""Who paid, as far as M-Pesa tells: the number in plain, hashed or masked, and perhaps a name.

A push's callback tells the number in plain. A paybill confirmation tells, by the version under
which its address was registered, the number's SHA-256 (v1) or a masked form (v2), and in older days
the number itself (Safaricom's portal FAQ). The hash is unsalted, over the twelve digits 254...; so
it finds a number that we know, and is as personal as the number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True)
class Payer:
    """All of it is personal. Nothing of it may be known."""

    phone: str | None = field(default=None, repr=False)
    phone_sha256: str | None = field(default=None, repr=False)
    masked_phone: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)

    @property
    def phone_hash(self) -> str | None:
        """The number's hash, however the number was told."""
        return phone_hash(self.phone) if self.phone else self.phone_sha256

    @property
    def hint(self) -> str | None:
        """What a number that was not told in plain was told as."""
        return None if self.phone else self.phone_sha256 or self.masked_phone

    def may_be(self, phone: str | None) -> bool:
        """Whether this may be whoever has the number: nothing that was told speaks against it."""
        if phone is None:
            return True
        if self.phone_hash is not None:
            return self.phone_hash == phone_hash(phone)
        return self.masked_phone is None or _fits(phone, self.masked_phone)


def _fits(phone: str, masked: str) -> bool:
    """Whether the digits before and behind the mask are the number's."""
    plain = "".join(masked.split()).lstrip("+")
    before, _, rest = plain.partition("*")
    return phone.startswith(before) and phone.endswith(rest.lstrip("*"))


def phone_hash(phone: str) -> str:
    """The hash under which a paybill confirmation (v1) names a number, 254 and nine digits."""
    return sha256(phone.encode()).hexdigest()
