from datetime import timedelta
from uuid import uuid4

import pytest

from domain.api_keys.api_key import (
    ApiKey,
    ApiKeyNotFound,
    ApiKeyRevoked,
    KeyDigestTaken,
    Permission,
)
from domain.api_keys.handlers import IssueApiKey, RevokeApiKey, RotateApiKey
from domain.errors import InvalidInput
from infra.key_check import key_sha256, new_api_key
from tests.support.co_operative import NOW

OVERLAP = timedelta(hours=24)


def issue(co_operative, *, sha256, permissions=(Permission.READ_MEMBERS,)):
    key_id = uuid4()
    co_operative.dispatch(IssueApiKey(key_id, uuid4(), permissions, sha256, NOW))
    return key_id


def digest():
    return key_sha256(new_api_key())


def opens(co_operative, key_id, sha256, now=NOW):
    return co_operative.load(ApiKey, key_id).opens(sha256=sha256, now=now)


def test_an_issued_key_opens_and_no_other_does(co_operative):
    sha256 = digest()
    key_id = issue(co_operative, sha256=sha256)
    assert opens(co_operative, key_id, sha256)
    assert not opens(co_operative, key_id, digest())


def test_permissions_are_kept_once_each_in_order(co_operative):
    asked = (Permission.READ_MEMBERS, Permission.OPERATE, Permission.READ_MEMBERS)
    key_id = issue(co_operative, sha256=digest(), permissions=asked)
    assert co_operative.load(ApiKey, key_id).permissions == ["operate", "read_members"]


def test_a_key_without_permission_is_not_issued(co_operative):
    with pytest.raises(InvalidInput) as refused:
        issue(co_operative, sha256=digest(), permissions=())
    assert refused.value.field == "permissions"


def test_a_key_is_issued_once(co_operative):
    sha256 = digest()
    issue(co_operative, sha256=sha256)
    with pytest.raises(KeyDigestTaken):
        issue(co_operative, sha256=sha256)


def test_after_a_rotation_both_keys_open_until_the_overlap_ends(co_operative):
    old, new = digest(), digest()
    key_id = issue(co_operative, sha256=old)
    co_operative.dispatch(RotateApiKey(key_id, new, NOW + OVERLAP))
    just_before = NOW + OVERLAP - timedelta(microseconds=1)
    assert opens(co_operative, key_id, old, just_before)
    assert opens(co_operative, key_id, new, just_before)
    assert not opens(co_operative, key_id, old, NOW + OVERLAP)
    assert opens(co_operative, key_id, new, NOW + OVERLAP)


def test_two_rotations_keep_each_old_key_to_its_own_end(co_operative):
    first, second, third = digest(), digest(), digest()
    key_id = issue(co_operative, sha256=first)
    co_operative.dispatch(RotateApiKey(key_id, second, NOW + OVERLAP))
    co_operative.dispatch(RotateApiKey(key_id, third, NOW + 2 * OVERLAP))
    later = NOW + OVERLAP
    assert [opens(co_operative, key_id, sha256, later) for sha256 in (first, second, third)] == [
        False,
        True,
        True,
    ]


def test_a_key_does_not_take_its_own_place(co_operative):
    sha256 = digest()
    key_id = issue(co_operative, sha256=sha256)
    with pytest.raises(KeyDigestTaken):
        co_operative.dispatch(RotateApiKey(key_id, sha256, NOW))
    assert opens(co_operative, key_id, sha256)


def test_a_revoked_key_opens_nothing_not_even_in_its_overlap(co_operative):
    old, new = digest(), digest()
    key_id = issue(co_operative, sha256=old)
    co_operative.dispatch(RotateApiKey(key_id, new, NOW + OVERLAP))
    co_operative.dispatch(RevokeApiKey(key_id, "laptop stolen"))
    assert not opens(co_operative, key_id, old)
    assert not opens(co_operative, key_id, new)


def test_revoking_twice_is_revoking_once(co_operative):
    key_id = issue(co_operative, sha256=digest())
    co_operative.dispatch(RevokeApiKey(key_id, "laptop stolen"))
    version = co_operative.load(ApiKey, key_id).version
    co_operative.dispatch(RevokeApiKey(key_id, "again"))
    assert co_operative.load(ApiKey, key_id).version == version


def test_a_revoked_key_is_not_rotated(co_operative):
    key_id = issue(co_operative, sha256=digest())
    co_operative.dispatch(RevokeApiKey(key_id, "laptop stolen"))
    with pytest.raises(ApiKeyRevoked):
        co_operative.dispatch(RotateApiKey(key_id, digest(), NOW))


def test_an_unknown_key_is_neither_rotated_nor_revoked(co_operative):
    with pytest.raises(ApiKeyNotFound):
        co_operative.dispatch(RotateApiKey(uuid4(), digest(), NOW))
    with pytest.raises(ApiKeyNotFound):
        co_operative.dispatch(RevokeApiKey(uuid4(), "why"))
