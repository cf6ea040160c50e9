"""What a process remembers is bounded."""

from __future__ import annotations

import pickle

from cosim import memo
from cosim.design.design import Clock
from cosim.memo import Attached, Memo, Signature


def test_a_memo_forgets_what_was_asked_for_longest_ago():
    last: Memo[int, str] = Memo("test", 2)
    last[1], last[2] = "one", "two"
    assert last.get(1) == "one"
    last[3] = "three"
    assert (last.get(1), last.get(2), last.get(3)) == ("one", None, "three")
    assert memo.entries()["test"] == (2, 2)


def test_signatures_are_equal_where_their_tuples_are():
    one, other = Signature((1, (2, "a"))), Signature((1, (2, "a")))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Signature((1, (2, "b")))
    assert len({one, other}) == 1


def test_a_remembered_hash_stays_in_its_process():
    clock = Clock("core", 200_000_000)
    assert hash(clock) == hash(Clock("core", 200_000_000))
    assert vars(pickle.loads(pickle.dumps(clock))) == {"name": "core", "frequency_hz": 200_000_000}


def test_what_is_attached_to_an_object_goes_with_it():
    class Thing:
        pass

    known: Attached[Thing, str] = Attached()
    thing = Thing()
    known[thing] = "one"
    assert known.get(thing) == "one"
    assert known.get(Thing()) is None
    del thing
    assert not known._of
