"""Answers of listeners, summed; files that are cut are one line."""

import json
import sys

import numpy as np
import pytest

from pianist_jax import cli
from pianist_jax.errors import PianistError
from pianist_jax.evaluation.answers import read_answers, summed


def saved(folder, name, ratings=(), pairs=()):
    """A file as the page saves it: ratings (system, 1..5), pairs (a, b, preferred)."""
    answers = [{"piece": "p", "system": system, "rating": rating} for system, rating in ratings]
    answers += [{"piece": "p", "a": a, "b": b, "choice": "A", "preferred": preferred} for a, b, preferred in pairs]
    path = folder / name
    path.write_text(json.dumps({"listener": name, "systems": ["human", "model", "score"], "answers": answers}))
    return path


def test_ratings_are_means_of_listeners_means(tmp_path):
    one = saved(tmp_path, "a", [("model", 5), ("model", 3), ("human", 5), ("score", 1)])
    two = saved(tmp_path, "b", [("model", 2), ("human", 4)])
    three = saved(tmp_path, "c", [("model", 3), ("human", 5)])
    rows = {row[0]: row[1:] for row in summed([one, two, three], np.random.default_rng(0))}
    assert list(rows) == ["human", "model", "score"]
    assert rows["model"][:3] == ["3", "4", "3.00"]  # (4 + 2 + 3) / 3, not 13 / 4
    low, high = map(float, rows["model"][3].split(".."))
    assert 2 <= low < 3 < high <= 4
    assert rows["score"] == ["1", "1", "1.00", "–", "0", "–", "–"]


def test_a_tie_is_half_a_win_for_both(tmp_path):
    path = saved(
        tmp_path, "a", pairs=[("human", "model", "human"), ("model", "score", None), ("human", "score", "human")]
    )
    rows = {row[0]: row[4:7] for row in ([r[0], *r[1:]] for r in summed([path], np.random.default_rng(0)))}
    assert rows["human"] == ["–", "2", "100%"]
    assert rows["model"] == ["–", "2", "25%"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ('{"systems": ["human"], "answers": [{"sys', "no whole file"),
        ("[1, 2]", "not a file of answers"),
        ('{"answers": []}', "no 'systems'"),
        ('{"systems": ["human"], "answers": []}', "no answers"),
        ('{"systems": ["human"], "answers": [{"system": "human", "rating": 6}]}', "a rating of 6"),
        ('{"systems": ["human"], "answers": [{"system": "human", "rating": true}]}', "a rating of True"),
        ('{"systems": ["human"], "answers": [{"system": "x", "rating": 3}]}', "about 'x'"),
        ('{"systems": ["a", "b"], "answers": [{"a": "a", "b": "b", "preferred": "c"}]}', "preference for 'c'"),
    ],
)
def test_what_is_no_file_of_answers_is_named(tmp_path, content, named):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(PianistError, match=named) as raised:
        read_answers(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_the_command_sums_up_and_a_cut_file_is_one_line(tmp_path, monkeypatch, capsys):
    good = saved(tmp_path, "good.json", [("model", 4), ("human", 5)])
    cut = tmp_path / "cut.json"
    cut.write_text(good.read_text()[:-20])

    def call(*files):
        options = [word for file in files for word in ("--answers", str(file))]
        monkeypatch.setattr(sys, "argv", ["pianist", "evaluate", *options])
        try:
            cli.main()
            code = 0
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        return code, *(text.splitlines() for text in capsys.readouterr())

    code, out, _ = call(good, good)
    assert code == 0
    assert [line.split()[:4] for line in out[1:]] == [["human", "2", "2", "5.00"], ["model", "2", "2", "4.00"]]
    code, out, err = call(good, cut)
    assert (code, out, len(err)) == (2, [], 1)
    assert "cut.json" in err[0]
