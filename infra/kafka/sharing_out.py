"""How a group of consumers shares out the partitions: all that are known to be used, one by one.

kafka-python would ask what it knows of the cluster at that moment. A topic that it has not heard of
yet is then left out, and it may not notice afterwards: nobody would read that topic until a member
comes or goes. We know the topics, and how many partitions of each are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor


class UsedPartitions(RoundRobinPartitionAssignor):  # type: ignore[misc]
    """Goes by how many partitions of each topic are used, whatever the cluster seems to have."""

    def __init__(self, partitions: Mapping[str, int]) -> None:
        self._partitions = partitions

    def assign(self, cluster: Any, members: Any) -> Any:
        """Share them out."""
        return RoundRobinPartitionAssignor.assign(_Used(self._partitions, cluster), members)


class _Used:
    """Answers as the client's own knowledge of the cluster would."""

    def __init__(self, partitions: Mapping[str, int], cluster: Any) -> None:
        self._partitions = partitions
        self._cluster = cluster

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Of a topic that only a newer member knows, what the cluster is known to have."""
        if topic in self._partitions:
            return set(range(self._partitions[topic]))
        known: set[int] | None = self._cluster.partitions_for_topic(topic)
        return known
