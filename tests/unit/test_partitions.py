"""A subject's partition is the one that Kafka's own clients would choose."""

from __future__ import annotations

import pytest

from infra.kafka.publisher import Record, waves
from infra.kafka.topics import partition_of

# From Kafka's own test of its hash (org.apache.kafka.common.utils.UtilsTest, testMurmur2).
JAVA = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
}


@pytest.mark.parametrize(("key", "hashed"), JAVA.items())
def test_it_is_javas(key, hashed):
    assert partition_of(key, 12) == (hashed & 0x7FFFFFFF) % 12


def test_no_wave_holds_two_records_of_one_key_and_each_keys_stay_in_order():
    told = [Record("t", key, b"%d" % n, {}) for n, key in enumerate("abacbaa")]
    told.append(Record("u", "a", b"7", {}))
    sent = list(waves(told))
    assert [[int(record.value) for record in wave] for wave in sent] == [
        [0, 1, 3, 7],
        [2, 4],
        [5],
        [6],
    ]
    assert list(waves([])) == []
