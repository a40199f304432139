"""The calls of one answer: their ids, and when there are enough of them."""

from jobs.events import CallPart
from worker.engines.llm.answers.tools import ToolCalls
from worker.engines.llm.formats.parts import ARGUMENTS, CALL, CLOSED


def made(**options: bool) -> ToolCalls:
    return ToolCalls(seed=7, index=0, **{"several": True, **options})


def test_a_call_is_told_with_its_id_first_and_put_together() -> None:
    calls = made()
    opened = calls.open("get_weather")
    assert opened == CallPart(0, calls.made[0].id, "get_weather")
    assert calls.add('{"city": ') == calls.add('"Oslo"}') == CallPart(0)
    calls.close()
    assert calls.open("noop").index == 1
    assert [(call.name, call.arguments) for call in calls.made] == [
        ("get_weather", '{"city": "Oslo"}'),
        ("noop", ""),
    ]


def test_ids_are_the_same_when_a_job_runs_again_and_differ_between_calls() -> None:
    first, again = made(), made()
    ids = [first.open("a").id, first.open("a").id]
    assert ids == [again.open("a").id, again.open("a").id]
    assert len(set(ids)) == 2
    assert ToolCalls(seed=7, index=1, several=True).open("a").id not in ids


def test_one_call_is_enough_where_several_are_not_wanted() -> None:
    calls = made(several=False)
    calls.open("a")
    assert not calls.full, "its arguments are still to come"
    calls.close()
    assert calls.full
    assert not made().full


def told(calls: ToolCalls, name: str, *arguments: str) -> list[tuple[str, str]]:
    parts = [(CALL, name), *((ARGUMENTS, piece) for piece in arguments), (CLOSED, "")]
    shown = [each for part in parts for each in calls.told(*part)]
    for kind, text in shown:
        match kind:
            case "call":
                calls.open(text)
            case "arguments":
                calls.add(text)
            case _:
                calls.close()
    return shown


def test_a_call_that_repeats_another_ends_an_enforced_answer() -> None:
    calls = made(distinct=True)
    told(calls, "look", '{"city": ', '"Rome"}')
    assert told(calls, "look", '{"city": "', 'Oslo"}')[1:] == [
        (ARGUMENTS, '{"city": "'),
        (ARGUMENTS, 'Oslo"}'),
        (CLOSED, ""),
    ]
    assert told(calls, "wait", '{"city": "Rome"}')[-1] == (CLOSED, "")
    assert not calls.full
    assert told(calls, "look", "{", '"city": "Oslo', '"}') == []
    assert calls.full
    assert [call.arguments for call in calls.made] == [
        '{"city": "Rome"}',
        '{"city": "Oslo"}',
        '{"city": "Rome"}',
    ]


def test_a_call_that_begins_like_another_is_told_whole() -> None:
    calls = made(distinct=True)
    told(calls, "look", '{"city": "Rome"}')
    # Cut by the length.
    assert told(calls, "look", '{"city": "Ro')[-2:] == [(ARGUMENTS, '{"city": "Ro'), (CLOSED, "")]
    again = made()
    assert told(again, "look", "{}") == told(again, "look", "{}"), (
        "a model may repeat itself where it is free"
    )
