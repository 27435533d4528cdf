"""The whole evaluation: one plain dict, tables, a page, a listening test, and every degenerate input by name."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from pianist_jax.errors import PianistError
from pianist_jax.evaluation import listening, report, table
from pianist_jax.evaluation.candidates import Candidates
from pianist_jax.evaluation.composite import WEIGHTS, composite
from pianist_jax.evaluation.evaluate import common_pieces, evaluate
from pianist_jax.evaluation.pieces import Played, PlayedPiece
from tests.evaluation.pieces import invented_piece, notes


@pytest.fixture(scope="module")
def pieces():
    rng = np.random.default_rng(0)
    return [invented_piece(rng, size=250 + 50 * index, humans=3, name=f"piece <{index}>") for index in range(3)]


def copies(pieces, name="copy", human=0):
    made = {piece.name: (replace(piece.humans[human], aligned=False), piece.humans[-1]) for piece in pieces}
    return Candidates(name, made, {}, {"folder": name, "hash": "ab" * 32})


@pytest.fixture(scope="module")
def whole(pieces):
    entries = [copies(pieces), copies(pieces, "second", 1)]
    measured = {"nats_note": {"value": 14.5, "low": 14.0, "high": 15.0, "compositions": 3}}
    about = {"split": "made up", "dataset": "x"}
    return entries, evaluate(pieces, entries, likelihoods={"copy": measured}, classifier=True, about=about)


def test_a_report_is_plain_and_the_same_every_time(pieces, whole):
    entries, found = whole
    assert json.loads(json.dumps(found, allow_nan=False))["systems"].keys() == found["systems"].keys()
    assert list(found["systems"])[:3] == ["human", "copy", "second"]
    assert {system["kind"] for system in found["systems"].values()} == {"human", "candidate", "control"}
    assert found["systems"]["copy"]["likelihood"]["nats_note"]["value"] == 14.5
    assert set(found["systems"]["copy"]["paper"]) == {"performances", "pieces", "human"}
    again = evaluate(pieces, entries[:1], about={"split": "made up", "dataset": "x"})
    assert again["systems"]["copy"]["composite"] == found["systems"]["copy"]["composite"]
    assert found["humans"]["velocity_reliability"]["value"] > 0.7
    assert "second: piece <1>: candidate 0 is human 1 itself, so its figures say nothing" in found["warnings"]


def test_what_a_classifier_says_stands_in_report_table_and_page(pieces, whole):
    entries, found = whole
    asked = found["systems"]["copy"]["classifier"]
    assert asked["auc"]["all"]["low"] <= asked["auc"]["all"]["value"] <= asked["auc"]["all"]["high"]
    assert abs(asked["auc"]["all"]["value"] - 0.5) < 0.25  # humans, copied
    assert "human: no classifier: fewer than 20 windows of 64 notes, or of one composition" in found["warnings"]
    head, *rows = table.classifier_rows(found["systems"])
    assert head[1:] == ["all", "dynamics", "timing", "chords", "articulation", "pedal"]
    assert [row[0] for row in rows] == ["copy", "second"]
    assert "told from humans (AUC)" in table.short_table(found)
    page = report.html_page(found, pieces, entries)
    assert "Human or machine?" in page
    assert page.count("What gives ") == 2


def test_the_composite_by_hand():
    def of(values):
        return {"pieces": {f"p{k}": dict.fromkeys(WEIGHTS, value) for k, value in enumerate(values)}}

    compositions = {"p0": "x", "p1": "x", "p2": "y"}
    human, deadpan = of([0.8, 0.4, 0.6]), of([0.0, 0.0, 0.2])
    own = of([0.3, 0.3, 0.5])
    found = composite(own, human, deadpan, compositions, np.random.default_rng(0))
    assert found["value"] == pytest.approx((0.4 - 0.1) / (0.6 - 0.1))
    assert (found["low"], found["high"]) == (pytest.approx(0.5), pytest.approx(0.3 / 0.4))  # x alone, y alone
    assert composite(human, human, deadpan, compositions, np.random.default_rng(0))["value"] == pytest.approx(1)
    assert composite(deadpan, human, deadpan, compositions, np.random.default_rng(0))["value"] == pytest.approx(0)
    for metrics in human["pieces"].values():
        del metrics["pedal_f1"]
    partial = composite(own, human, deadpan, compositions, np.random.default_rng(0))
    assert partial["without"] == ["pedal_f1"]
    assert partial["value"] == pytest.approx(found["value"])
    assert sum(WEIGHTS.values()) == 1


@pytest.mark.parametrize("metrics", table.METRICS)
def test_tables_are_aligned_and_show_what_was_chosen(whole, metrics):
    found = whole[1]
    lines = table.short_table(found, metrics).split("\n\n")[0].splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["human", "copy", "second"]
    assert len(lines) == 1 + len(found["systems"])
    assert ("r vel" in lines[0]) == (metrics != "paper")
    assert ("overlap/p" in lines[0]) == (metrics != "aligned")
    for line in lines[1:]:
        assert len(re.findall(r"  +[-–\d.]+", line)) == len(table.columns(metrics))
        assert "nan" not in line
    assert table.explained(metrics)
    assert ("95% intervals" in table.short_table(found, metrics)) == (metrics != "paper")
    if metrics == "all":
        (_, total, *_), _ = table.interval_rows(found)
        low, high = (found["systems"]["copy"]["composite"][end] for end in ("low", "high"))
        assert total == f"{low:.2f}..{high:.2f}"
    every = [name for name, *_ in table.every_figure(found, metrics)]
    assert ("pedal_f1" in every) == (metrics != "paper")
    assert ("js_overall" in every) == (metrics != "aligned")
    with pytest.raises(PianistError, match='"best", but it must be paper, aligned or all'):
        table.check("best")


class Page(HTMLParser):
    """Collects what a page refers to and whether its elements close."""

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.outside += [given[name] for name in ("src", "href") if not given.get(name, "data:").startswith("data:")]
        if tag == "img":
            self.images.append(given["src"])
        if tag not in ("meta", "img", "br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize(("metrics", "pictures"), [("all", 3 + 3), ("paper", 1)])
def test_the_page_stands_alone(pieces, whole, tmp_path, metrics, pictures):
    entries, found = whole
    files = report.write_report(tmp_path / "new" / "r.v1", found, pieces, entries, metrics)
    assert [path.name for path in files] == ["r.v1.json", "r.v1.html"]
    assert json.loads(files[0].read_text())["systems"]["copy"] == json.loads(json.dumps(found["systems"]["copy"]))
    text = files[1].read_text()
    page = Page(text)
    assert page.open == page.outside == []
    assert len(page.images) == pictures
    assert all(base64.b64decode(image.partition("base64,")[2]).startswith(b"\x89PNG") for image in page.images)
    assert "<0>" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert "nan" not in re.sub(r'"data:[^"]*"', "", text).lower().split()
    if metrics == "paper":
        assert report.html_page(found, pieces, entries, metrics) == text


def test_every_piece_has_to_be_there_for_all(pieces):
    some = replace(copies(pieces, "some"), performances=dict(list(copies(pieces).performances.items())[:2]))
    common, warnings = common_pieces(pieces, [copies(pieces), some])
    assert [piece.name for piece in common] == ["piece <0>", "piece <1>"]
    assert warnings == ["piece <2>: not performed by some; left out for all"]
    with pytest.raises(PianistError, match="no piece was performed by all of copy, none"):
        common_pieces(pieces, [copies(pieces), Candidates("none", {}, {})])


def test_columns_of_one_name_are_refused(pieces):
    for names in (("copy", "copy"), ("copy", "deadpan"), ("human", "copy")):
        with pytest.raises(PianistError, match="is the name of two columns"):
            evaluate(pieces, [copies(pieces, name) for name in names])


def degenerate(pieces, change):
    changed = [change(piece) for piece in pieces]
    found = evaluate(changed, [copies(changed)])
    json.dumps(found, allow_nan=False)
    words = table.short_table(found).split() + [word for row in table.every_figure(found) for word in row]
    assert not {"nan", "inf"} & set(words)
    report.html_page(found, changed, [copies(changed)], "paper")
    return found


def test_one_human_everywhere(pieces):
    found = degenerate(pieces, lambda piece: replace(piece, humans=piece.humans[:1]))
    assert list(found["systems"]) == ["copy", "score", "deadpan", "rules"]
    assert "composite" not in found["systems"]["copy"]
    assert any("there is no left-out human to be 1" in warning for warning in found["warnings"])


def test_no_pedal_anywhere(pieces):
    nothing = np.zeros(0, np.int64)

    def lift(piece):
        bare = [replace(one.notes, pedal_time=nothing, pedal_value=nothing) for one in piece.humans]
        return replace(piece, humans=tuple(replace(o, notes=n) for o, n in zip(piece.humans, bare, strict=True)))

    found = degenerate(pieces, lift)
    assert "pedal_f1" not in found["systems"]["copy"]["summary"]
    assert found["systems"]["copy"]["composite"]["without"] == ["pedal_f1"]
    assert "copy: its composite lacks pedal_f1, which has no value on these pieces" in found["warnings"]
    assert any("no human uses the pedal" in warning for warning in found["warnings"])


def test_missing_notes_are_named(pieces):
    some = pieces[0].humans[0].match.copy()
    some[:25] = -1
    entry = copies(pieces)
    holed = replace(pieces[0].humans[0], match=some)
    made = {**entry.performances, pieces[0].name: (holed,)}
    found = evaluate(pieces, [replace(entry, performances=made)])
    named = "copy: piece <0>: candidate 0 was aligned: 10.0% of the score's notes missing, 10.0% of its own extra"
    assert named in found["warnings"]
    assert found["systems"]["copy"]["summary"]["notes_missing"]["value"] > 0


def test_a_single_piece_with_a_single_note():
    score, match = notes([0]), np.zeros(1, np.int64)
    human = Played("one", notes([10], velocity=[50]), match)
    pieces = [PlayedPiece("p", "p", score, (human, human))]
    found = degenerate(pieces, lambda same: same)
    report.html_page(found, pieces, [copies(pieces)])
    assert any("no value for" in warning for warning in found["warnings"])


def test_the_listening_test_asks_every_pair_once(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "SECONDS", 1.5)
    path = listening.write_listening(tmp_path / "r", pieces, [copies(pieces)], seed=3, count=2)
    text = path.read_text()
    page = Page(text.partition('<script type="application/json"')[0] + "</body></html>")
    assert page.outside == []
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert [clip["system"] for clip in data["clips"]] == ["human", "copy", "score"] * 2
    assert len(data["trials"]) == 6
    for trial in data["trials"]:
        assert {data["clips"][clip]["piece"] for clip in trial["clips"]} == {trial["piece"]}
    for clip in data["clips"]:
        sound, rate = soundfile.read(io.BytesIO(base64.b64decode(clip["sound"]["data"])))
        assert 1 < len(sound) / rate < 5


def test_a_page_of_ratings_asks_about_every_performance_once(pieces, tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "SECONDS", 1.5)
    path = listening.write_listening(tmp_path / "r", pieces, [copies(pieces)], seed=3, count=2, ask="ratings")
    assert path.name == "r.rate.html"
    data = json.loads(re.search(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)[1])  # type: ignore[index]
    assert data["about"]["ask"] == "ratings"
    assert sorted(trial["clips"] for trial in data["trials"]) == [[clip] for clip in range(6)]
    assert [data["clips"][k]["system"] for k in range(6)] == ["human", "copy", "score"] * 2


def test_an_excerpt_is_the_same_bars_with_the_pedal_as_it_is(pieces):
    piece = pieces[0]
    slow = replace(piece.humans[0].notes, onset=2 * piece.humans[0].notes.onset)
    slow = replace(slow, pedal_time=2 * slow.pedal_time)
    everyone = np.arange(len(piece.score))
    performances = {"own": piece.humans[0], "slow": Played("slow", slow, everyone, aligned=False)}
    cut = listening.excerpts(piece, performances, np.random.default_rng(2))
    assert cut["own"].pitch.tolist() == cut["slow"].pitch.tolist()
    assert 5 < len(cut["own"]) < len(piece.score)
    assert cut["slow"].onset.max() <= 1000 * listening.SECONDS + listening.BEFORE
    assert cut["own"].pedal_value[0] in (0, 127)
    assert cut["own"].pedal_time[0] == 0
    assert cut["own"].pedal_value[-1] == 0
