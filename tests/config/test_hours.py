"""Hours of the week: over midnight, on some days, and where clocks are changed."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from config.hours import Hours, show

#: Central European time, by POSIX' rules: no file of zones is needed.
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", BERLIN)
        time.tzset()
        yield
    time.tzset()


def at(text: str) -> float:
    """The Unix second at which clocks show this; the first of two."""
    return datetime.fromisoformat(text).timestamp()


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# 2026-11-23 is a Monday.
@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("22-7", ["23T22:00", "23T23:59", "24T00:00", "24T06:59"], ["23T21:59", "24T07:00", "24T12:00"]),
        ("9-17", ["23T09:00", "23T16:59"], ["23T08:59", "23T17:00", "23T00:00"]),
        ("22:30-6:45", ["23T22:30", "24T06:44"], ["23T22:29", "24T06:45"]),
        ("0-24", ["23T00:00", "23T23:59"], []),
        ("7-7", ["23T00:00", "23T07:00", "23T06:59"], []),
        ("18-24", ["23T18:00", "23T23:59"], ["24T00:00", "23T17:59"]),
        ("12-13, 22-7", ["23T12:30", "23T22:00", "24T06:00"], ["23T13:00", "24T11:59"]),
        ("mon-fri 20-8", ["23T20:00", "27T23:00", "28T07:59"], ["23T07:00", "28T20:00", "29T21:00"]),
        ("sat-sun 0-24", ["28T00:00", "29T23:59"], ["27T23:59", "30T00:00"]),
        ("mon-fri 20-8, sat-sun 0-24", ["28T12:00", "29T23:59", "30T20:00"], ["30T00:00", "30T19:59"]),
        ("sun-mon 23-1", ["29T23:30", "30T00:30", "30T23:30", "24T00:30"], ["28T23:30", "29T00:30"]),
        ("Fri 10-11", ["27T10:30"], ["26T10:30"]),
    ],
)
def test_hours_of_the_week(text: str, inside: list[str], outside: list[str]) -> None:
    hours = Hours.parse(text)
    told = {moment: hours.contain(at(f"2026-11-{moment}")) for moment in (*inside, *outside)}
    assert told == dict.fromkeys(inside, True) | dict.fromkeys(outside, False)


@pytest.mark.parametrize(
    ("text", "now", "start"),
    [
        ("22-7", "2026-11-23T12:00", "2026-11-23T22:00"),
        ("22-7", "2026-11-23T07:00", "2026-11-23T22:00"),
        ("12-13, 22-7", "2026-11-23T07:30", "2026-11-23T12:00"),
        ("sat 10-11", "2026-11-23T12:00", "2026-11-28T10:00"),
        ("mon 10-11", "2026-11-23T11:00", "2026-11-30T10:00"),
        ("mon 10-11", "2026-11-24T00:00", "2026-11-30T10:00"),
    ],
)
def test_the_next_start(text: str, now: str, start: str) -> None:
    assert Hours.parse(text).next_start(at(now)) == at(start)


def test_in_spring_an_hour_is_missing() -> None:
    """On 2026-03-29 clocks go from 2:00 to 3:00, which is 1:00 UTC."""
    assert Hours.parse("2:30-6").next_start(utc("2026-03-29T00:30")) == utc("2026-03-29T01:00")
    hours = Hours.parse("1-3")
    assert hours.contain(utc("2026-03-29T00:59"))
    assert not hours.contain(utc("2026-03-29T01:00"))
    # A range that lies in the missing hour is not there on that day.
    assert Hours.parse("2-3").next_start(utc("2026-03-29T00:30")) == at("2026-03-30T02:00")


def test_in_autumn_an_hour_comes_twice() -> None:
    """On 2026-10-25 clocks go from 3:00 back to 2:00, at 1:00 UTC."""
    hours = Hours.parse("2:30-2:45")
    first, second = utc("2026-10-25T00:30"), utc("2026-10-25T01:30")
    assert hours.contain(first)
    assert hours.contain(second)
    assert hours.next_start(first - 60) == first
    assert hours.next_start(first + 16 * 60) == second
    night = Hours.parse("22-7")
    assert night.contain(utc("2026-10-25T05:59"))
    assert not night.contain(utc("2026-10-25T06:00"))


@pytest.mark.parametrize("text", ["22-7", "2:30-4, mon 2-3", "sat-sun 0-24", "mon-fri 20-8", "3-2"])
def test_the_next_start_is_the_first_moment_of_all(text: str) -> None:
    """Compared with a look at each minute, around both changes of the clock."""
    hours = Hours.parse(text)
    for noon in (utc("2026-03-28T12:00"), utc("2026-10-24T12:00")):
        for ahead in range(0, 36 * 60, 97):
            now = noon + 60 * ahead
            if not hours.contain(now):
                minutes = (now + 60 * each for each in range(1, 8 * 24 * 60))
                assert hours.next_start(now) == next(filter(hours.contain, minutes))


@pytest.mark.parametrize(
    "text",
    [
        *("22", "22-", "25-7", "22-7:60", "24-7", "22-7,", "-1-7", "22\u20137", "\u0662-7"),
        *("day 22-7", "mon-day 22-7", "mon22-7", ", ".join(["1-2"] * 33), "1-2" + " " * 300),
    ],
)
def test_what_is_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours|days|times|ranges"):
        Hours.parse(text)


def test_how_a_moment_is_shown() -> None:
    now = at("2026-11-23T12:00")
    assert show(at("2026-11-23T22:00"), now) == "22:00"
    assert show(at("2026-11-24T06:05"), now) == "6:05"
    assert show(at("2026-11-28T10:00"), now) == "Saturday 10:00"
    assert timedelta(seconds=at("2026-11-28T10:00") - now).days == 4
