"""The command as a user meets it: files, lines, exit codes, and every kind of bad input."""

import dataclasses
import functools
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
import typer
from typer.main import get_group

from pianist_jax import cli, terminal
from pianist_jax.inference import engine as programs
from pianist_jax.music.midi import read_midi, write_midi
from pianist_jax.music.notes import normalise
from pianist_jax.weights import load_weights, save_weights
from tests.model.helpers import lively_params
from tests.music.helpers import midi, number, off, on, tempo, track
from tests.rendering.models import NOTE, made_up_score

SCORE = made_up_score(40)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(path, NOTE, lively_params(NOTE), dtype="float32", metadata={})
    return path


@pytest.fixture(scope="session")
def load_once():
    """Models stay compiled from test to test."""
    return functools.cache(programs.load_model)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, weights, load_once):
    """Call the command in an empty folder; gives exit code, lines on stdout, lines on stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, model=weights):
        load = load_once if model == weights else programs.__dict__["load_model"]
        with monkeypatch.context() as patched:
            patched.setattr(programs, "load_model", load)
            patched.setattr(sys, "argv", ["pianist", *map(str, arguments), "--model", str(model)])
            try:
                cli.main()
                code: str | int = 0
            except SystemExit as stopped:
                code = stopped.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out.splitlines(), err.splitlines()

    return call


def files(folder="."):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def test_a_score_becomes_a_performance(run):
    write_midi("prelude.mid", SCORE)
    code, out, err = run("render", "prelude.mid")
    assert (code, err) == (0, [])
    assert files() == ["prelude.daw.mid", "prelude.json", "prelude.mid", "prelude.performance.mid"]
    assert "prelude.performance.mid" in out[0]
    assert "the score tells no tempo; played at ♩ = 120" in out[1]
    # A line more says where the made-up model outruns what sequencers take.
    assert re.fullmatch(r"  on the score's beats it sounds the same within \d\.\d\d ms", out[-2])
    assert out[-1].startswith("hear ")
    assert "`pianist apply" in out[-1]
    played = read_midi("prelude.performance.mid")
    np.testing.assert_array_equal(np.sort(played.pitch), np.sort(normalise(SCORE)[0].pitch))
    told = json.loads(Path("prelude.json").read_text())
    assert told["seed"] == 0
    assert told["settings"].items() >= {"samples": 1, "temperature": 1.0, "top_p": 0.98, "top_k": 0}.items()
    assert told["model"]["name"] == "small"
    assert len(told["notes"]) == 40


def test_every_option_reaches_the_performance(run):
    write_midi("a.mid", SCORE)
    options = ["--seed", 7, "--samples", 2, "--temperature", 0.8, "--top-p", 0.7, "--top-k", 9]
    options += ["--draws", 3, "--residual-scale", 0.5]
    assert run("render", "a.mid", "-o", "deep/out", *options)[0] == 0
    names = ["a-1.daw.mid", "a-1.performance.mid", "a-2.daw.mid", "a-2.performance.mid", "a.json"]
    assert files("deep/out") == names
    told = json.loads(Path("deep/out/a.json").read_text())
    expected = {"samples": 2, "temperature": 0.8, "top_p": 0.7, "top_k": 9, "draws": 3, "residual_scale": 0.5}
    assert (told["seed"], told["settings"].items() >= expected.items()) == (7, True)
    performances = [Path(f"deep/out/a-{k}.performance.mid").read_bytes() for k in (1, 2)]
    assert performances[0] != performances[1]


def test_same_command_same_bytes_in_any_company(run):
    for name, notes in (("a", 40), ("b", 64), ("c", 10)):
        write_midi(f"{name}.mid", made_up_score(notes))
    assert run("render", "a.mid", "-o", "alone")[0] == 0
    assert run("render", ".", "-o", "together")[0] == 0
    assert Path("alone/a.performance.mid").read_bytes() == Path("together/a.performance.mid").read_bytes()


def test_made_before_is_left_alone(run):
    write_midi("a.mid", SCORE)
    run("render", "a.mid", "-o", "out")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("out").iterdir()}
    code, out, err = run("render", "a.mid", "-o", "out")
    assert (code, err) == (0, [])
    assert "left alone" in out[0]
    write_midi("a.mid", made_up_score(30))
    code, out, err = run("render", "a.mid", "-o", "out")
    assert (code, out) == (2, [])
    assert re.fullmatch(r"pianist: out/a.json: is there already.*--force replaces it", err[0])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path("out").iterdir()} == before
    assert run("render", "a.mid", "-o", "out", "--force")[0] == 0
    assert len(json.loads(Path("out/a.json").read_text())["notes"]) == 30
    assert Path("out/a.takes/1.json").read_bytes() == before[Path("out/a.json")][0]


def test_same_names_from_different_folders(run):
    for name in ("x/1.mid", "y/1.mid", "y/deep/2.mid"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write_midi(name, SCORE)
    assert run("render", "x", "y", "-o", "out")[0] == 0
    made = [name for name in files("out") if name.endswith(".performance.mid")]
    assert made == ["deep/2.performance.mid", "x/1.performance.mid", "y/1.performance.mid"]


ONE_NOTE = ((0, on(60)), (100, off(60)))
BAD = {
    "text": b"Sonata in C\n",
    "truncated": midi(track(*ONE_NOTE))[:-6],
    "empty": b"",
    "no notes": midi(track((0, tempo(500_000)))),
    "drums only": midi(track((0, on(36, 99, 9)), (9, off(36, 9)))),
    "note 200": midi(track((0, b"\x90\xc8\x40"))),
    "huge time": midi(track((25 * 3_600_000, on(60)), (1, off(60)))),
    "endless time": midi(track((1 << 240, on(60)), (1, off(60)))),
    "huge message": midi(track((0, b"\xff\x01" + number(1 << 32)), *ONE_NOTE)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_scores(run, case):
    Path("bad.mid").write_bytes(BAD[case])
    code, out, err = run("render", "bad.mid", "-o", "out")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("pianist: bad.mid: ")
    assert "; " in err[0]
    assert files() == ["bad.mid"]


def test_one_bad_file_among_many(run):
    write_midi("a.mid", SCORE)
    Path("b.mid").write_bytes(b"MThd")
    write_midi("c.mid", made_up_score(12))
    code, _, err = run("render", "a.mid", "b.mid", "gone.mid", "c.mid", "-o", "out")
    assert code == 1
    assert [line.split(":")[1].strip() for line in err] == ["b.mid", "gone.mid"]
    suffixes = ("daw.mid", "json", "performance.mid")
    assert files("out") == sorted(["manifest.jsonl", *(f"{name}.{suffix}" for name in "ac" for suffix in suffixes)])
    code, _, err = run("render", "b.mid", "gone.mid", "-o", "out")
    assert (code, len(err)) == (2, 2)


def test_odd_but_good_scores(run):
    """100 tracks, a track name and a file name in Latin-1, an hour of silence."""
    Path("tracks.mid").write_bytes(midi(*[track((n, on(20 + n)), (9, off(20 + n))) for n in range(100)]))
    Path("text.mid").write_bytes(midi(track((0, b"\xff\x03\x05Pr\xe9lu"), *ONE_NOTE)))
    latin = os.fsdecode(b"Pr\xe9lude\n1.mid")
    Path(latin).write_bytes(midi(track(*ONE_NOTE)))
    Path("late.mid").write_bytes(midi(track((3_600_000, on(60)), (100, off(60)))))
    code, out, err = run("render", "tracks.mid", "text.mid", latin, "late.mid", "-o", "out")
    assert (code, err) == (0, [])
    told = [line for line in out if "editable file, bar" not in line and "notes/s, " not in line]
    assert len(told) == 3 * 4 + 1
    assert len(read_midi("out/tracks.performance.mid")) == 100
    assert json.loads(Path("out/text.json").read_text())["counts"]["input_notes"] == 1
    assert Path(os.fsdecode(b"out/Pr\xe9lude\n1.performance.mid")).is_file()
    assert read_midi("out/late.performance.mid").onset[0] == read_midi("late.mid").onset[0]


def test_a_bad_score_with_a_latin_name(run):
    name = os.fsdecode(b"Pr\xe9lude.mid")
    Path(name).write_bytes(b"")
    code, _, err = run("render", name)
    assert (code, len(err)) == (2, 1)
    assert "lude.mid" in err[0]


@pytest.mark.parametrize("place", ["missing.mid", "folder", "folder/deeper.mid", ""])
def test_places_without_scores(run, place):
    Path("folder").mkdir()
    code, out, err = run("render", place, "-o", "out")
    assert (code, out, len(err)) == (2, [], 1)
    assert place in err[0]
    assert files() == []
    assert run("render", place, model="nowhere.safetensors")[2] == err, "no model is looked for"


def test_outputs_that_cannot_be_written(run):
    write_midi("a.mid", SCORE)
    Path("file").write_text("mine")
    code, _, err = run("render", "a.mid", "-o", "file/out")
    assert (code, len(err)) == (2, 1)
    assert "file/out: no folder can be made there" in err[0]
    assert files() == ["a.mid", "file"]


def damaged(path, weights):
    """Weights files gone wrong, by what should be said of them."""
    content = weights.read_bytes()
    tensors = safetensors.numpy.load(content)
    name = next(iter(tensors))
    config, params = load_weights(weights)
    yield "no such file", None
    yield "damaged", content[: len(content) // 2]
    yield "damaged", b""
    yield "damaged", b"\0" * 100
    yield "not weights of this program", safetensors.numpy.save(tensors)
    tensors[name] = np.full_like(tensors[name], np.nan)
    about = {"format": "pianist_jax 1", "model": json.dumps(dataclasses.asdict(config)), "about": "{}"}
    yield "not a finite number", safetensors.numpy.save(tensors, about)
    about["model"] = '{"colour": "red"}'
    yield "damaged", safetensors.numpy.save(tensors, about)
    assert jnp.isfinite(params["encoder"]["norm"]["weight"]).all()


def test_bad_weights(run, weights):
    write_midi("a.mid", SCORE)
    path = Path("bad.safetensors")
    for complaint, content in damaged(path, weights):
        if content is not None:
            path.write_bytes(content)
        code, out, err = run("render", "a.mid", "-o", "out", model=path)
        assert (code, out, len(err)) == (2, [], 1)
        assert err[0].startswith("pianist: bad.safetensors: ")
        assert complaint in err[0]
    assert not Path("out").exists()


def test_an_unknown_model_name(run):
    write_midi("a.mid", SCORE)
    code, _, err = run("render", "a.mid", model="nosuch")
    assert (code, len(err)) == (2, 1)
    assert '"nosuch"' in err[0]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--samples", 0),
        ("--temperature", -1),
        ("--temperature", "nan"),
        ("--top-p", 0),
        ("--top-p", 2),
        ("--draws", 0),
        ("--residual-scale", 1.5),
        ("--residual-scale", "nan"),
        ("--top-k", -1),
        ("--ornaments", "trills=high"),
        ("--ornaments", "pace=1"),
    ],
)
def test_senseless_settings(run, option, value):
    write_midi("a.mid", SCORE)
    code, out, err = run("render", "a.mid", option, value)
    assert (code, out, len(err)) == (2, [], 1)
    assert files() == ["a.mid"]


def test_wrong_usage(run):
    assert run("render")[0] == 2
    assert run("play", "a.mid")[0] == 2
    assert run("render", "a.mid", "--top-k", "many")[0] == 2


def test_interruption(run, monkeypatch):
    from pianist_jax.rendering import batch

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "render_scores", interrupted)
    write_midi("a.mid", SCORE)
    code, _, err = run("render", "a.mid")
    assert (code, err) == (130, ["pianist: interrupted; what was finished is kept"])


def test_a_terminal_obeys_no_name(capsys):
    """Names of files may hold what clears a screen, moves its cursor or turns its text round."""
    terminal.say("a\x1b[2J\rb\x07\u202ec.mid ♩ é")
    terminal.complain("two\nlines\x9b1m")
    out, err = capsys.readouterr()
    assert out == "a\\x1b[2J b\\x07\\u202ec.mid ♩ é\n"
    assert err == "pianist: two lines\\x9b1m\n"


def test_a_terminal_gets_a_bar_and_whole_lines(run, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    long = "a very long name of a score that no terminal of sixty columns has room for"
    write_midi(f"{long}.mid", SCORE)
    code, out, _ = run("render", f"{long}.mid")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(out))
    assert code == 0
    assert f"{long}.mid -> {long}.performance.mid {long}.daw.mid {long}.json" in text
    assert "notes/s" in text


def test_progress_counts_notes_of_the_score_however_often_each_is_drawn():
    counted: list[int] = []
    advance = terminal.once_in(counted.append, 8)
    for notes in (3, 9, 20, 64, 4):
        advance(notes)
    assert counted == [1, 3, 8]
    assert sum(counted) == 100 // 8


@pytest.mark.parametrize("module", ["pianist_jax", "pianist_jax.cli"])
def test_version_and_whole_sentences_in_the_help(module):
    def said(*arguments):
        command = [sys.executable, "-m", module, *arguments]
        return " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())

    assert re.fullmatch(r"pianist \d+\.\d+\.\d+", said("--version"))
    if module == "pianist_jax":
        whole = said("--help")
        assert "Write a rendering's files again after its JSON file was edited, or with another expression." in whole
        assert "..." not in whole.partition("Commands:")[2]
        assert "--install-completion" in whole


def test_lines_elsewhere_tell_how_it_goes(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    counted = terminal.counter("aligning", "performances")
    with terminal.progress("performing", lambda: 100) as (advance, _):
        for now[0], notes in ((4.0, 10), (10.5, 0), (11.0, 14), (15.0, 30), (25.0, 48)):  # other draws bring no notes
            advance(notes)
            if notes:
                counted(notes, 50)
    told = ["24/100 notes, 2 notes/s, 38 s left", "aligning: 14/50 performances", "aligning: 48/50 performances"]
    assert capsys.readouterr().out.splitlines() == told


def test_help_needs_no_jax(tmp_path):
    code = "import sys, pianist_jax.cli as c; sys.argv = ['pianist', 'render', '--help']\ntry: c.main()\n"
    code += "except SystemExit: pass\nassert not {'jax', 'numpy', 'rich.progress'} & set(sys.modules)"
    paths = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--top-p" in done.stdout


def test_the_list_of_commands_is_theirs():
    group = get_group(cli.app)
    context = typer.Context(group)
    assert group.list_commands(context) == list(cli.COMMANDS)
    for name, (_, sentence) in cli.COMMANDS.items():
        command = group.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str(limit=1000) == sentence


def test_no_command_is_missing_from_the_list():
    for module in Path(cli.__file__).parent.glob("commands/[a-z]*.py"):
        here = getattr(importlib.import_module(f"pianist_jax.commands.{module.stem}"), "commands", None)
        listed = {name for name, (home, _) in cli.COMMANDS.items() if home == module.stem}
        assert listed == (set() if here is None else set(get_group(here).commands))


def test_an_extra_that_is_not_installed_is_named_before_anything_is_performed(run, monkeypatch):
    write_midi("prelude.mid", SCORE)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = run("render", "prelude.mid", "-o", "out", "--plot")
    assert (code, out) == (2, [])
    assert err == ["pianist: this needs matplotlib, which is not installed: pip install 'pianist_jax[plot]'"]
    assert files() == ["prelude.mid"]


def test_the_public_names():
    import pianist_jax

    assert set(pianist_jax.__all__) <= set(dir(pianist_jax))
    for name in pianist_jax.__all__:
        assert getattr(pianist_jax, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'perform'"):
        pianist_jax.perform  # noqa: B018


@pytest.mark.parametrize(
    "wrong",
    [
        ["--tempo", "0"],
        ["--tempo", "abc"],
        ["--tempo", "72", "--duration", "2:30"],
        ["--duration", "0:00"],
        ["--duration", "99:00"],
        ["--duration", "0:10", "--tempo-scale", "2"],
    ],
    ids=" ".join,
)
def test_a_tempo_that_makes_no_sense(run, wrong):
    write_midi("a.mid", SCORE)
    code, _, err = run("render", "a.mid", "-o", "out", *wrong)
    assert (code, len(err)) == (2, 1)
    assert files() == ["a.mid"]


@pytest.mark.parametrize(("shell", "code"), [(">/dev/full", 2), (">&-", 0), ("| true", 0)])
def test_a_standard_output_that_takes_nothing(shell, code) -> None:
    score = Path(__file__).parents[1] / "examples" / "chopin-prelude-op28-20.mid"
    command = f"set -o pipefail; {sys.executable} -m pianist_jax.cli inspect {score} {shell}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == code, done.stderr
    assert done.stderr.count("\n") == (code == 2)
    assert "Traceback" not in done.stderr
