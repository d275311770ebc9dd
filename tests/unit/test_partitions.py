"""Which partition a subject is in, in which order its records leave, who reads which partition."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.cluster import ClusterMetadata

from infra.kafka.publisher import Record, waves
from infra.kafka.sharing_out import UsedPartitions
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


def test_partitions_are_shared_out_though_the_client_has_not_heard_of_their_topics():
    members = [
        SimpleNamespace(
            group_instance_id=None,
            member_id=name,
            metadata=SimpleNamespace(topics=["loans", "members", "news"]),
        )
        for name in "ab"
    ]
    shared = UsedPartitions({"loans": 3, "members": 2}).assign(ClusterMetadata(), members)
    given = [
        (topic, partition)
        for name in "ab"
        for topic, partitions in shared[name].assigned_partitions
        for partition in partitions
    ]
    assert sorted(given) == [*(("loans", n) for n in range(3)), *(("members", n) for n in range(2))]
