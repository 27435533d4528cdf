"""Where the time of a run goes: every second is of one kind, and what is begun inside counts for itself."""

import pytest

from pianist_jax.training.account import KINDS, Account, account_in_words


def test_every_second_is_of_one_kind() -> None:
    now = [0.0]
    account = Account(lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    with account.spent_on("compile"):
        passes(3)
    with account.spent_on("steps"):
        passes(5)
        with account.spent_on("data"):
            passes(2)
        passes(8)
        assert account.figures()["steps"] == 13  # so far
    passes(2)
    told = account.figures()
    assert {name: told[name] for name in ("compile", "data", "steps", "other")} == {
        "compile": 3, "data": 2, "steps": 13, "other": 2,
    }  # fmt: skip
    assert set(told) == {*KINDS, "other", "goodput"}
    assert told["goodput"] == 13 / 20
    assert account_in_words(told) == "65% of 20 s were training (compile 3 s, data 2 s, other 2 s)"


def test_what_fails_inside_is_counted_too() -> None:
    now = [0.0]
    account = Account(lambda: now[0])

    def fails() -> None:
        with account.spent_on("validation"):
            now[0] += 4
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fails()
    now[0] += 1
    assert (account.figures()["validation"], account.figures()["other"]) == (4, 1)
