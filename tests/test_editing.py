"""A say in it, as a musician has it on the command line: options of render, bars anew, apply, inspect."""

import functools
import json
import re
import shutil
import sys
from pathlib import Path

import fastjsonschema
import numpy as np
import pytest

from pianist_jax import cli
from pianist_jax.inference import engine as programs
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import normalise
from pianist_jax.rendering.stored import read_rendering
from pianist_jax.rendering.takes import read_take
from pianist_jax.weights import save_weights
from tests.model.helpers import lively_params
from tests.performance.test_style import played_by_somebody
from tests.rendering.models import NOTE, made_up_score
from tests.rendering.renderings import made_up_rendering
from tests.rendering.songs import HEAD, instrument, melody, score_of, song

SCORE = made_up_score(60)
CHORALE = Path(__file__).parents[1] / "examples" / "chopin-prelude-op28-20.mid"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, NOTE, lively_params(NOTE), dtype="float32", metadata={})
    return path


@pytest.fixture(scope="module")
def load_once():
    """Models stay compiled from test to test."""
    return functools.cache(programs.load_model)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, weights, load_once):
    """Call a command in an empty folder; gives exit code, lines on stdout, lines on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(programs, "load_model", load_once)

    def call(command, *arguments):
        model = ["--model", str(weights)] if command == "render" else []
        monkeypatch.setattr(sys, "argv", ["pianist", command, *map(str, arguments), *model])
        try:
            cli.main()
            code: str | int | None = 0
        except SystemExit as stopped:
            code = stopped.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out.splitlines(), err.splitlines()

    return call


def contents(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def test_expression_on_the_command_line(run):
    write_midi("a.mid", SCORE)
    wishes = ["--keep", "velocity", "--keep", "articulation,pedal", "--strength", "timing=0.5", "--tempo-scale", 2]
    code, _, err = run("render", "a.mid", "-o", "out", *wishes)
    assert (code, err) == (0, [])
    told = json.loads(Path("out/a.json").read_text())["settings"]["expression"]
    assert told["keep"] == ["velocity", "articulation", "pedal"]
    assert (told["timing"], told["tempo_scale"]) == (0.5, 2.0)
    played = read_midi("out/a.performance.mid")
    assert set(played.velocity.tolist()) == {64}
    assert len(played.pedal_time) == 0
    assert run("render", "a.mid", "-o", "out", *wishes)[1][-1].startswith("a.mid: made before with these settings")
    Path("a.mid").unlink()
    write_midi("a.mid", made_up_score(50))
    code, _, err = run("render", "a.mid", "-o", "out")
    assert code == 2
    assert "is there already, from another score or settings" in err[0]


def test_strengths_in_a_row(run):
    write_midi("a.mid", SCORE)
    code, _, err = run("render", "a.mid", "--strength", "timing=0.8", "dynamics=0", "pedal=0.5", "--binary-pedal")
    assert (code, err) == (0, [])
    told = json.loads(Path("a.json").read_text())["settings"]["expression"]
    assert (told["timing"], told["dynamics"], told["pedal"], told["binary_pedal"]) == (0.8, 0, 0.5, True)
    assert len(set(read_midi("a.performance.mid").velocity.tolist())) == 1


@pytest.mark.slow
def test_samples_side_by_side_have_it_too(run):
    for name in "ab":
        write_midi(f"{name}.mid", SCORE)
    assert run("render", "a.mid", "b.mid", "--samples", 2, "--keep", "velocity", "-o", "out")[0] == 0
    for name in ("a-1", "a-2", "b-1", "b-2"):
        assert set(read_midi(f"out/{name}.performance.mid").velocity.tolist()) == {64}


@pytest.mark.parametrize(
    "options",
    [
        ["--keep", "tempo"],
        ["--strength", "loudness=2"],
        ["--strength", "timing=-1"],
        ["--keep", "timing", "--strength", "timing=2"],
        ["--style", "rubato=4"],
        ["--style", "swagger=1"],
        ["--style", "rubato=1", "--style", "dynamics=1,rubato=-1"],
        ["--style", "rubato=1", "--strength", "timing=2", "pedal=1"],
        ["--keep", "velocity", "--style", "level=1"],
        ["--variety", "-1"],
        ["--tempo-scale", "0"],
        ["--pedal-threshold", "200"],
        ["--bars", "4-2"],
        ["--bars", "3"],
        ["--bars", "5-8,"],
        ["--bars", "5-8,7-9"],
        ["--bars", "9,5"],
        ["--hand", "both"],
        ["--hand", "left"],
        ["--plot-bars", "x"],
        ["--hit", "4=1:00", "--hit", "5=0:59"],
        ["--hit", "4=1:00", "5=0:59", "--balance", "left=-3", "right=2"],
        ["--hit", "4=9999"],
        ["--hit", "99=1:00"],
        ["--balance", "left=-3"],
        ["--strength", "timing=1.5@90-99"],
        ["--swing", "99"],
        ["--plot-bars", "90-99"],
        ["--overlay", "none.mid"],
        ["--overlay", "1", "--overlay", "2", "--overlay", "3", "--overlay", "4"],
    ],
)
def test_senseless_wishes(run, options):
    write_midi("a.mid", SCORE)
    code, _, err = run("render", "a.mid", "-o", "out", *options)
    assert (code, len(err)) == (2, 1)
    assert err[0].startswith("pianist: ")
    assert not [path for path in Path().rglob("*") if path.is_file() and path.name != "a.mid"]


def test_bars_anew_from_the_command_line(run):
    assert run("render", CHORALE, "-o", "out")[0] == 0
    name = CHORALE.stem
    before, old = contents("out"), json.loads(Path(f"out/{name}.json").read_text())
    code, out, err = run("render", CHORALE, "-o", "out", "--bars", "5-6", "--seed", 8)
    assert (code, err) == (0, [])
    assert ", bars 5-6 -> " in out[0]
    told = json.loads(Path(f"out/{name}.json").read_text())
    same = {(5 <= a["bar"] < 7, a == b) for a, b in zip(old["notes"], told["notes"], strict=True)}
    assert same == {(False, True), (True, False)}
    played = normalise(read_midi(f"out/{name}.performance.mid"))[0]
    assert sorted(played.velocity.tolist()) == sorted(n["performed"][0]["velocity"] for n in told["notes"])
    assert (told["edits"][0]["bars"], told["edits"][0]["seed"]) == ([5, 6], 8)
    assert contents("out").keys() == before.keys()
    after = contents("out")
    assert (
        ": made before with these settings" in run("render", CHORALE, "-o", "out", "--bars", "5-6", "--seed", 8)[1][0]
    )
    assert contents("out") == after
    for bad in (
        ["--bars", "5-6,9-99"],
        ["--hand", "left", "--tempo", "80"],
        ["--bars", "5-99"],
        ["--bars", "5-6", "--tempo-scale", 2],
        ["--bars", "5", "--samples", 2],
    ):
        code, _, err = run("render", CHORALE, "-o", "out", *bad)
        assert (code, len(err)) == (2, 1)
    assert contents("out") == after


def test_an_own_recording_from_the_command_line(run):
    made = made_up_rendering()
    write_midi("mine.mid", made.notes)
    code, out, err = run("render", CHORALE, "-o", "out", "--performance", "mine.mid")
    assert (code, err) == (0, [])
    assert out[0].startswith("mine.mid -> out/")
    assert out[1].strip() == "286 of 286 notes are as they were played"
    told = json.loads(Path(f"out/{CHORALE.stem}.json").read_text())
    assert sorted(line["performed"][0]["velocity"] for line in told["notes"]) == sorted(made.notes.velocity.tolist())
    assert "as played in mine.mid" in run("history", "out")[1][1]
    after = contents("out")
    write_midi("other.mid", SCORE)
    for bad in (["other.mid"], ["none.mid"], ["mine.mid", "--bars", "5-6"], ["mine.mid", "--tempo", "80"]):
        code, _, err = run("render", CHORALE, "-o", "out", "--performance", *bad)
        assert (code, len(err)) == (2, 1)
    code, _, err = run("render", CHORALE, CHORALE.with_suffix(".musicxml"), "--performance", "mine.mid")
    assert (code, len(err)) == (2, 1)
    assert contents("out") == after


def test_apply(run):
    run("render", CHORALE, "-o", "out")
    path = Path("out") / f"{CHORALE.stem}.json"
    before = contents("out")
    code, out, err = run("apply", path)
    assert (code, err) == (0, [])
    assert out[0].startswith(f"{path} -> ")
    assert contents("out") == before
    assert run("apply", path, "-o", "copy")[0] == 0
    assert contents("copy") == before
    louder = re.sub(
        r'(?<="velocity": )(\d+)(?=[^"]*\}\])', lambda found: str(127 - int(found[1])), path.read_text(), count=1
    )
    path.write_text(louder)
    assert run("apply", path)[0] == 0
    changed = {name for name, content in contents("out").items() if content != before[name]}
    assert changed == set(before)
    code, out, _ = run("apply", path, "--strength", "dynamics=0", "--plot", "-o", "flat")
    assert code == 0
    flat = read_midi(f"flat/{CHORALE.stem}.performance.mid")
    assert len(set(flat.velocity.tolist())) == 1
    assert Path(f"flat/{CHORALE.stem}.png").exists()


def test_style_on_the_command_line(run):
    run("render", CHORALE, "-o", "out")
    code, out, err = run("render", CHORALE, "-o", "out", "--style", "level=+1,pedal=-0.5", "articulation=1")
    assert (code, err) == (0, [])
    assert "from what was performed before (take 2" in out[-1]
    first, second = (read_take(Path("out") / CHORALE.stem, n).rendering for n in (1, 2))
    assert second.notes.velocity.mean() > first.notes.velocity.mean() + 2
    run("apply", f"out/{CHORALE.stem}.json", "--style", "level=-1")
    assert run("history", "out")[1][1:] == [
        "   1: rendered, seed 0",
        "   2 after 1: rendered, seed 0, style level +1 articulation +1 pedal -0.5",
        "*  3 after 2: style level -1",
    ]
    assert run("render", CHORALE, "-o", "two", "--samples", "2", "--variety", "1")[0] == 0
    one, other = (read_midi(f"two/{CHORALE.stem}-{n}.performance.mid") for n in (1, 2))
    assert one.velocity.mean() != other.velocity.mean()


def test_in_the_style_of_a_recording(run):
    mine = played_by_somebody(made_up_rendering().score)
    write_midi("mine.mid", mine)
    write_midi("other.mid", SCORE)
    for wrong in (["other.mid"], ["missing.mid"], ["mine.mid", "--style", "rubato=1"], ["mine.mid", "--bars", "2-3"]):
        code, _, err = run("render", CHORALE, "-o", "out", "--style-of", *wrong)
        assert (code, len(err)) == (2, 1), wrong
        assert not Path("out").exists()
    code, _, err = run("render", CHORALE, CHORALE.with_suffix(".musicxml"), "--style-of", "mine.mid")
    assert (code, err) == (2, ["pianist: --style-of is a recording of one score, and 2 are given; give one"])
    for _ in range(2):
        code, out, err = run("render", CHORALE, "-o", "out", "--style-of", "mine.mid", "--tempo", "free")
        assert (code, err) == (0, [])
        assert any("in the style of mine.mid: style " in line for line in out)
    _, second = run("history", "out")[1][1:]
    assert second.startswith("*  2 after 1: in the style of mine.mid: style ")
    made = read_take(Path("out") / CHORALE.stem, 2).rendering.notes
    assert np.ptp(made.onset) == pytest.approx(np.ptp(mine.onset), rel=0.02), "at its tempo, too"


def test_takes_on_the_command_line(run):
    path = Path("out") / f"{CHORALE.stem}.json"
    assert run("history")[0] == 2
    run("render", CHORALE, "-o", "out")
    first = contents("out")
    code, out, err = run("render", CHORALE, "-o", "out", "--strength", "dynamics=0.5")
    assert (code, err) == (0, [])
    assert "from what was performed before (take 2; `pianist undo` goes back)" in out[-1]
    run("apply", path, "--strength", "dynamics=0.5")
    code, out, err = run("history", "out")
    assert (code, err) == (0, [])
    assert out == [
        str(path),
        "   1: rendered, seed 0",
        "   2 after 1: rendered, seed 0, dynamics 0.5",
        "*  3 after 2: dynamics 0.5",
    ]
    assert run("undo", path)[1][0].endswith("; `pianist take 3` goes forth again")
    assert run("undo", path)[0] == 0
    assert contents("out") == first
    assert run("undo", path)[0] == 2
    assert run("take", "3", path, "--name", "soft")[1] == ["take 3 is called “soft”"]
    assert run("take", "soft", "out")[0] == 0
    code, out, err = run("compare", 1, "soft", "out")
    assert (code, err) == (0, [])
    assert out[0].startswith("differs in ")
    assert ": velocity " in out[0]
    assert out[-1] == f"-> out/{CHORALE.stem}.takes/1-3.png"
    before = contents("out")
    for wrong in (["take", "7", path], ["compare", 1, 9, path], ["undo", "gone.json"], ["take", "1", "nowhere/x.json"]):
        code, out, err = run(*wrong)
        assert (code, out, len(err)) == (2, [], 1)
    assert contents("out") == before


def test_edits_of_another_program(run):
    run("render", CHORALE, "-o", "out")
    path, edited = Path("out") / f"{CHORALE.stem}.json", Path(f"out/{CHORALE.stem}.performance.mid")
    code, out, err = run("apply", path, "--from", edited)
    assert (code, err, out[1]) == (0, [], f"  {edited}: no edit in it")
    notes = read_midi(edited)
    notes.velocity[:2] = [1, 2]
    write_midi(edited, notes)
    code, out, err = run("apply", path, "--from", edited)
    assert (code, err) == (0, [])
    assert "(take 2; " in out[0]
    assert out[1].startswith(f"  {edited}: changed: 2 of ")
    assert "(bars 1): velocity 2" in out[1]
    assert run("history", path)[1][-1] == f"*  2 after 1: edited as in {edited.name}"
    before = contents("out")
    write_midi("other.mid", SCORE)
    Path("none.mid").write_bytes(b"MThd")
    for wrong in (["other.mid"], ["none.mid"], ["gone.mid"], [edited, "out/again.json"]):
        code, out, err = run("apply", path, "--from", *wrong)
        assert (code, out, len(err)) == (2, [], 1)
    assert contents("out") == before


def test_a_finer_say(run):
    """Rendered so, or applied to what is rendered: the same notes."""
    wishes = ["--balance", "left=-6", "--strength", "dynamics=0@5-6", "--hit", "8=40", "--lead-in", "1"]
    assert run("render", CHORALE, "-o", "one", *wishes)[0] == 0
    assert run("render", CHORALE, "-o", "two")[0] == 0
    path = Path("two") / f"{CHORALE.stem}.json"
    code, _, err = run("apply", path, *wishes)
    assert (code, err) == (0, [])
    name = f"{CHORALE.stem}.performance.mid"
    assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    assert run("history", path)[1][-1] == (
        "*  2 after 1: left -6 dB, dynamics 0 in bars 5-6, lead-in 1 s, bar 8 at 40 s"
    )
    told = json.loads(path.read_text())["notes"]
    assert min(note["performed"][0]["onset"] for note in told) == 1000
    eighth = [note["performed"][0]["onset"] for note in told if note["bar"] == 8]
    assert abs(sum(eighth) / len(eighth) - 40_000) < 60


def test_apply_what_is_wrong(run):
    run("render", CHORALE, "-o", "out")
    path = Path("out") / f"{CHORALE.stem}.json"
    content = path.read_text()
    before = contents("out")
    path.write_text(content.replace('"performed": [{"onset"', '"performed": [{"onse"', 1))
    code, out, err = run("apply", path)
    assert (code, out, len(err)) == (2, [], 1)
    assert "'onset' is missing" in err[0]
    path.write_text(content[:-20])
    code, _, err = run("apply", path, "gone.json")
    assert (code, len(err)) == (2, 2)
    assert "no valid JSON" in err[0]
    path.write_text(content)
    assert run("apply", path, "gone.json")[0] == 1
    assert contents("out") == before


def test_inspect(run):
    run("render", CHORALE, "-o", "out")
    stem = f"out/{CHORALE.stem}"
    code, out, err = run("inspect", CHORALE, f"{stem}.performance.mid", f"{stem}.json")
    assert (code, err) == (0, [])
    assert [line for line in out if not line.startswith("  ")] == [
        str(CHORALE), f"{stem}.performance.mid", f"{stem}.json",
    ]  # fmt: skip
    assert "  metre     4/4" in out
    assert "  edits        none" in out
    Path("bad.mid").write_bytes(b"MThd")
    code, out, err = run("inspect", "bad.mid", CHORALE)
    assert (code, len(err)) == (1, 1)
    assert run("inspect", "bad.mid")[0] == 2
    long = f"{'long ' * 40}.mid"
    shutil.copy(CHORALE, long)
    assert run("inspect", long)[1][0] == long


def test_renderings_are_as_the_schema_says(run):
    run("render", CHORALE, "-o", "out")
    content = json.loads(Path(f"out/{CHORALE.stem}.json").read_text())
    code, out, err = run("inspect", "--schema")
    assert (code, err) == (0, [])
    valid = fastjsonschema.compile(json.loads("\n".join(out)))
    valid(content)
    content["notes"][0]["performed"][0]["velocity"] = 128
    with pytest.raises(fastjsonschema.JsonSchemaValueException, match="velocity"):
        valid(content)
    code, _, err = run("inspect")
    assert code == 2
    assert "--schema" in err[0]


def test_a_song_is_accompanied(run):
    song(Path("song.musicxml"))
    code, out, err = run("render", "song.musicxml", "-o", "out", "--accompany", "--tempo", 60, "--html")
    assert (code, err) == (0, [])
    assert "  played: Piano; with it: Soprano (--part chooses)" in out
    assert "  left out: 8 percussion notes" in out
    assert "  heard from a plain synthesiser: Soprano" in out
    _, out, _ = run("inspect", "--schema")
    content = json.loads(Path("out/song.json").read_text())
    fastjsonschema.compile(json.loads("\n".join(out)))(content)
    assert content["editable_worst_error_ms"] <= 1
    sung = read_rendering(Path("out/song.json")).rendering
    (voice,) = sung.others_with(sung.notes)
    assert voice.notes.onset[0] == pytest.approx(3000, abs=600), "beat 4 of bar 1, a beat a second"
    before = read_midi("out/song.performance.mid")
    assert len(before) == len(sung.score) + len(voice.notes)

    assert "left alone" in run("render", "song.musicxml", "-o", "out", "--accompany", "--tempo", 60, "--html")[1][0]
    for more in (["--accompany"], []):
        code, _, err = run("render", "song.musicxml", "-o", "out", "--bars", "3-4", "--seed", 4, *more)
        assert (code, err) == (0, [])
        assert len(read_midi("out/song.performance.mid")) == len(before)
    assert run("apply", "out/song.json", "--tempo", 90)[0] == 0
    assert len(read_midi("out/song.daw.mid")) == len(before)
    content = json.loads(Path("out/song.json").read_text())
    assert (len(content["others"]), content["take"]["number"]) == (1, 3)

    assert run("render", "song.musicxml", "-o", "alone")[0] == 0
    code, out, err = run("render", "song.musicxml", "-o", "alone", "--bars", "3-4", "--accompany")
    assert (code, out) == (2, [])
    assert "render the whole score with --accompany first" in err[0]


def test_with_nobody_to_accompany_nothing_changes(run):
    played = {}
    for folder, option in (("with", ["--accompany"]), ("without", [])):
        code, out, err = run("render", CHORALE, "-o", folder, *option)
        assert (code, err) == (0, [])
        assert any("nothing to accompany" in line for line in out) == bool(option)
        played[folder] = contents(folder)
        told = json.loads(played[folder].pop(f"{CHORALE.stem}.json"))
        played[folder]["json"] = {key: own for key, own in told.items() if "second" not in key}
    assert played["with"] == played["without"]
    score_of(Path("drums.musicxml"), Drumset=(instrument(channel=10), [HEAD + melody("C4", "D4", "E4", "F4")]))
    code, out, err = run("render", "drums.musicxml", "-o", "no", "--accompany")
    assert (code, out, len(err)) == (2, [], 1)
    assert "no notes (4 percussion notes left out)" in err[0]
    assert not Path("no").exists() or not list(Path("no").iterdir())
    song(Path("song.musicxml"))
    code, out, err = run("render", "song.musicxml", "--part", "Tuba", "--accompany")
    assert (code, out, len(err)) == (2, [], 1)
    assert "no part 'Tuba'; its parts are: 1 Soprano, 2 Piano, 3 Drumset" in err[0]


def test_a_plot_of_some_bars_with_somebody_elses_performance(run):
    run("render", CHORALE, "-o", "human", "--seed", 5)
    human = f"human/{CHORALE.stem}.performance.mid"
    code, _, err = run("render", CHORALE, "-o", "out", "--plot-bars", "2-4", "--overlay", human)
    assert (code, err) == (0, [])
    told = json.loads(Path(f"out/{CHORALE.stem}.json").read_text())["plot"]
    assert (told["bars"], told["overlay"][0]["file"]) == ([2, 4], Path(human).name)
    first = Path(f"out/{CHORALE.stem}.png").read_bytes()
    assert "left alone" in run("render", CHORALE, "-o", "out", "--plot-bars", "2-4", "--overlay", human)[1][-1]
    assert run("render", CHORALE, "-o", "out", "--plot-bars", "2-5")[0] == 0
    assert Path(f"out/{CHORALE.stem}.png").read_bytes() != first
    write_midi("other.mid", SCORE)
    code, _, err = run("render", CHORALE, "-o", "third", "--overlay", "other.mid")
    assert (code, len(err)) == (2, 1)
    assert "too few for a recording of it" in err[0]


def test_notation_beside_midi_is_preferred(run):
    Path("scores").mkdir()
    for suffix in (".mid", ".musicxml"):
        shutil.copy(CHORALE.with_suffix(suffix), "scores")
    Path("scores/notes.xml").write_text("<html/>")
    code, out, err = run("render", "scores", "-o", "out")
    assert (code, err) == (0, [])
    name = f"scores/{CHORALE.stem}"
    assert out[0] == f"{name}.musicxml: performed instead of {name}.mid, taken for the same score"
    assert any(line.startswith(f"{name}.musicxml -> ") for line in out)


def test_the_tempo_can_be_set_and_changed(run):
    def length():
        played = read_midi(f"out/{CHORALE.stem}.performance.mid")
        return played.onset.max() - played.onset.min(), (played.onset + played.duration).max() - played.onset.min()

    path = f"out/{CHORALE.stem}.json"
    assert run("render", CHORALE, "-o", "out", "--tempo", "80")[0] == 0  # written: 40
    told = json.loads(Path(path).read_text())
    assert told["tempo"]["factor"] == 0.5
    assert told["settings"]["pace"] == {"tempo": 80.0, "duration": None, "times": None}
    assert length()[0] == pytest.approx(12 * 4 * 60_000 / 80, rel=0.05)  # a chord of untrained weights is wide
    assert "  tempo        ♩ = 80" in run("inspect", path)[1]
    assert run("apply", path, "--tempo", "score")[0] == 0
    assert length()[0] == pytest.approx(12 * 4 * 60_000 / 40, rel=0.05)
    assert json.loads(Path(path).read_text())["tempo"]["factor"] == 1.0
    assert run("apply", path, "--duration", "1:00")[0] == 0
    assert length()[1] == pytest.approx(60_000, abs=2)
    before = contents("out")
    for wrong in (["--tempo", "0"], ["--tempo", "free"], ["--tempo", "90", "--duration", "0:30"]):
        code, _, err = run("apply", path, *wrong)
        assert (code, len(err)) == (2, 1)
    code, _, err = run("render", CHORALE, "-o", "out", "--bars", "5-6", "--tempo", "80")
    assert (code, len(err)) == (2, 1)
    assert contents("out") == before
