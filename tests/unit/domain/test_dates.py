from datetime import UTC, date, datetime

from domain.dates import NAIROBI, business_day, text_from_moment


def test_the_business_day_begins_at_nine_in_the_evening_utc():
    assert business_day(datetime(2026, 1, 1, 20, 59, 59, tzinfo=UTC)) == date(2026, 1, 1)
    assert business_day(datetime(2026, 1, 1, 21, 0, 0, tzinfo=UTC)) == date(2026, 1, 2)


def test_a_moment_is_written_in_utc():
    moment = datetime(2026, 1, 1, 2, 0, tzinfo=NAIROBI)
    assert text_from_moment(moment) == "2025-12-31T23:00:00+00:00"
