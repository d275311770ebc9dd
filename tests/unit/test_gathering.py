"""Rows of many threads go together, and each thread hears what became of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.gathering import ROWS_MAX, Gathering
from tests.support.waiting import eventually


class Writes:
    """Holds the first write up until it is let go; fails for batches with a bad row in them."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, rows: list[int]) -> None:
        self.batches.append(rows)
        if len(self.batches) == 1:
            self.begun.set()
            assert self.go_on.wait(10)
        if -1 in rows:
            raise ValueError("a bad row")


def waiting(gathering: Gathering[int]) -> int:
    return len(gathering._waiting)


def test_alone_a_row_goes_at_once():
    written: list[list[int]] = []
    gathering = Gathering(written.append)
    gathering.add(1)
    gathering.add(2)
    assert written == [[1], [2]]


def test_what_comes_during_a_write_goes_together_and_no_more_than_so_many_at_once():
    writes = Writes()
    gathering = Gathering(writes)
    with ThreadPoolExecutor(ROWS_MAX + 20) as threads:
        told = [threads.submit(gathering.add, 0)]
        assert writes.begun.wait(10)
        told += [threads.submit(gathering.add, row) for row in range(1, ROWS_MAX + 11)]
        eventually(lambda: waiting(gathering) == ROWS_MAX + 10)
        assert not any(each.done() for each in told), "nobody returns before their row is written"
        writes.go_on.set()
        for each in told:
            each.result(timeout=10)
    assert [len(batch) for batch in writes.batches] == [1, ROWS_MAX, 10]
    assert sorted(row for batch in writes.batches for row in batch) == list(range(ROWS_MAX + 11))


def test_a_failure_is_raised_in_every_thread_whose_row_was_not_written_and_in_no_other():
    writes = Writes()
    gathering = Gathering(writes)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(gathering.add, 0)
        assert writes.begun.wait(10)
        others = [threads.submit(gathering.add, row) for row in (1, -1)]
        eventually(lambda: waiting(gathering) == 2)
        writes.go_on.set()
        first.result(timeout=10)
        for each in others:
            with pytest.raises(ValueError, match="a bad row"):
                each.result(timeout=10)
    gathering.add(3)
    assert writes.batches[-1] == [3]
