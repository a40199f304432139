"""How jobs share the device until they end, as it is foreseen."""

import pytest

from jobs.eta.curve import Curve
from jobs.eta.demand import Demand
from jobs.eta.forecast import Item, Line, forecast
from jobs.eta.steps import Seen, Steps
from jobs.eta.turns import Turns
from jobs.worker_state import Periods


def works(name: str, seconds: float, age: float = 0.0) -> Item:
    return Item(name, "model", Demand(0.0, seconds), age)


def writes(name: str, tokens: float, reading: float = 0.0, pace: float = 0.01) -> Item:
    """Each token takes as long whoever writes beside it."""
    steps = Steps(seen={0: Seen(1, 1, 0, 1)}, fixed=pace)
    return Item(name, "model", Demand(0.0, reading, tokens, steps))


def line(*running: Item, waiting: tuple[Item, ...] = (), capacity: int = 1) -> Line:
    return Line(capacity, list(running), Turns(waiting), {"model"})


def ends(*lines: Line, share: float | None = 0.8) -> dict[str, float | None]:
    items = [item for each in lines for item in (*each.running, *each.waiting)]
    forecast(lines, lines[0], share)
    return {item.id: item.end for item in items}


def test_what_waits_starts_when_those_before_it_have_ended() -> None:
    found = ends(line(works("a", 4, age=1), waiting=(works("b", 2), works("c", 1))))
    assert found == pytest.approx({"a": 3, "b": 5, "c": 6})


def test_answers_are_written_together() -> None:
    found = ends(line(writes("a", 100), writes("b", 200), waiting=(writes("c", 100),), capacity=2))
    assert found == pytest.approx({"a": 1, "b": 2, "c": 2})


def test_a_prompt_is_read_beside_an_answer_and_both_take_longer() -> None:
    found = ends(line(writes("a", 100), writes("b", 1, reading=10), capacity=2))
    assert found["a"] == pytest.approx(1.8)
    assert found["b"] == pytest.approx(1.8 + (10 - 0.8) + 0.01)


def test_chats_have_their_share_of_the_device_and_the_others_the_rest() -> None:
    found = ends(line(writes("chat", 100)), line(works("picture", 10)))
    assert found == pytest.approx({"chat": 1 / 0.8, "picture": 1.25 + (10 - 0.2 * 1.25)})
    found = ends(line(works("one", 1)), line(works("other", 2)), share=None)
    assert found == pytest.approx({"one": 2, "other": 3})


def test_a_model_that_is_not_in_memory_is_loaded_first() -> None:
    other = Item("b", "other", Demand(5.0, 1.0))
    assert ends(line(works("a", 1), waiting=(other,))) == pytest.approx({"a": 1, "b": 7})


def test_what_takes_longer_than_it_should_still_takes_a_while() -> None:
    found = ends(line(works("a", 4, age=100), waiting=(works("b", 1),)))
    assert 0 < (found["a"] or 0) < 4


def test_a_size_between_two_others_takes_a_time_between_theirs() -> None:
    curve = Curve()
    for _ in range(20):
        curve.learn(10, 1.0)
        curve.learn(1000, 100.0)
    assert curve.at(100) == pytest.approx(10, rel=0.01)
    assert curve.at(10_000) == pytest.approx(1000, rel=0.01)
    # What small ones take at least is no reason to think that much larger ones take no more.
    flat = Curve()
    for size in (1, 10):
        flat.learn(size, 1.0)
    assert flat.at(100) == pytest.approx(1.0, rel=0.01)
    assert flat.at(1000) == pytest.approx(10, rel=0.01)
    assert flat.at(0.1) == pytest.approx(1.0, rel=0.01)


def test_one_that_was_much_slower_changes_little() -> None:
    curve = Curve()
    for _ in range(50):
        curve.learn(10, 1.0)
    curve.learn(10, 60.0)
    assert (curve.at(10) or 0) < 3


def test_a_step_that_has_begun_is_not_cut_short() -> None:
    """A picture of four steps waits for its turns, and has the device for its last step."""
    picture = Item("picture", "model", Demand(0.0, 3.0, last=1.0))
    assert ends(line(writes("chat", 10_000)), line(picture))["picture"] == pytest.approx(3 / 0.2 + 1)
    alone = Item("picture", "model", Demand(0.0, 3.0, last=1.0), age=3.5)
    assert ends(line(), line(alone, waiting=(works("next", 2),))) == pytest.approx(
        {"picture": 0.6, "next": 2.6}
    )


def test_the_next_job_waits_for_its_turn_where_the_last_step_took_more_than_its_share() -> None:
    """However many jobs there are, and how many steps they have: together they have the share of their line."""
    pictures = [Item(str(number), "model", Demand(0.0, 0.0, last=1.0)) for number in range(5)]
    found = ends(line(writes("chat", 10_000)), line(waiting=tuple(pictures)))
    assert found["0"] == pytest.approx(1)
    assert found["4"] == pytest.approx(4 / 0.2 + 1)


def test_a_job_is_not_farther_than_the_step_that_would_have_been_told() -> None:
    stalled = Item("a", "model", Demand(0.0, 8.0, part=1.0), age=100.0)
    assert ends(line(stalled))["a"] == pytest.approx(7.0)


def test_answers_that_were_begun_together_are_as_far_as_each_other() -> None:
    """While nothing is told of them: their prompts were read in turn, and the rest of the time was shared."""
    found = ends(line(*(writes(name, 100, reading=0.1) for name in "abc"), capacity=4))
    later = [writes(name, 100, reading=0.1) for name in "abc"]
    for each in later:
        each.age = 0.8
    assert ends(line(*later, capacity=4)) == pytest.approx(
        {name: end - 0.8 for name, end in found.items() if end}, abs=0.25
    )


def test_an_answer_has_not_begun_before_its_app_usually_gets_the_first_of_it() -> None:
    """A schema is compiled first, say. The prompt alone does not tell that."""
    for age, left in ((0.5, 0.55), (1.2, 0.3)):
        demand = Demand(0.0, 0.1, 50, writes("", 1).demand.pace, begins=1.0)
        assert ends(line(Item("a", "model", demand, age=age)))["a"] == pytest.approx(left, abs=0.02)


def test_a_long_prompt_of_which_nothing_is_told_waits_for_its_turn() -> None:
    """It is told of every quarter of a second while it is read."""
    waited = writes("a", 10, reading=5)
    waited.age = 4.0
    assert ends(line(waited))["a"] == pytest.approx(4.85)


def test_the_more_prompts_wait_the_more_of_the_time_they_are_read() -> None:
    few = ends(line(writes("a", 100), writes("b", 1, reading=10), capacity=4))
    many = ends(line(writes("a", 100), *(writes(str(each), 1, reading=10) for each in range(3)), capacity=4))
    assert (many["a"] or 0) > 3 * (few["a"] or 0)


def test_the_app_that_had_less_time_is_next() -> None:
    """Each of the first app's jobs is charged with what it ran; the other's are short."""
    waiting = [
        works(f"{app}{number}", 4 if app == "long" else 1) for app in ("long", "short") for number in range(3)
    ]
    for item in waiting:
        item.share = item.id[:-1]
    found = ends(line(waiting=tuple(waiting)))
    order = sorted(found, key=lambda name: found[name] or 0)
    assert order == ["long0", "short0", "short1", "short2", "long1", "long2"]


def test_a_long_answer_makes_others_slower_while_it_is_written() -> None:
    """All that are written together are padded to the longest."""
    steps = Steps(seen={0: Seen(1, 1, 0, 1)}, answer=0.01, place=0.0001)

    def answer(name: str, length: float, tokens: float) -> Item:
        return Item(name, "model", Demand(0.0, 0.0, tokens, steps, length=length))

    assert ends(line(answer("a", 1, 10)))["a"] == pytest.approx(0.1, rel=0.02)
    found = ends(line(answer("a", 1, 20), answer("long", 1000, 10), capacity=2))
    assert found["long"] == pytest.approx(2.2, rel=0.02)
    assert found["a"] == pytest.approx(2.2 + 0.1, rel=0.02)


def test_an_interactive_job_takes_the_place_of_one_of_the_background() -> None:
    background, urgent = works("background", 4), works("urgent", 1)
    background.service_class, urgent.service_class = "background", "interactive"
    assert ends(line(background, waiting=(urgent,))) == pytest.approx({"urgent": 1, "background": 5})


def test_what_is_more_urgent_is_next() -> None:
    items = [works(name, 1) for name in ("background", "normal", "interactive")]
    for item in items:
        item.service_class = item.id
    assert ends(line(waiting=tuple(items))) == {"interactive": 1, "normal": 2, "background": 3}


def test_a_category_that_has_jobs_now_and_then_is_expected_to_have_some_again() -> None:
    """The longer its pauses are, the later."""
    found = []
    for idle in (1.0, 1000.0):
        chats = line(writes("chat", 100))
        chats.periods = Periods(busy=10.0, idle=idle)
        found.append(ends(chats, line(works("picture", 10)))["picture"] or 0)
    assert found[0] > 2 * found[1]
    assert found[1] == pytest.approx(1.25 + 9.75, rel=0.05)
