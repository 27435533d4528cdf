"""Programs for shapes of batches: which are compiled when, that all of them play the same, on one device or many."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pianist_jax.inference import engine as programs
from pianist_jax.inference.engine import Player, Stopwatch, in_groups, make_model
from pianist_jax.inference.sampling import Sampling
from pianist_jax.inference.windows import Span
from pianist_jax.music.tokens import NOTE_TOKENS
from pianist_jax.rendering.renderer import read_piece, render_all
from tests.model.helpers import lively_params
from tests.music.helpers import assert_same
from tests.rendering.models import NOTE, TOKEN, lively_model, made_up_score

ROOT = Path(__file__).parents[2]

NOTES = ("notes",)  # what is told of scores that are no files


def spans_of(lengths, prompt=None):
    spans = []
    for row, notes in enumerate(lengths):
        tokens = read_piece(made_up_score(notes, seed=row)).tokens
        known = np.zeros((0, NOTE_TOKENS), np.int32) if prompt is None else prompt[row]
        spans.append(Span(tokens, known, np.array([3, row], np.uint32), 0, notes - len(known)))
    return spans


@pytest.mark.slow
@pytest.mark.parametrize("config", [NOTE, TOKEN])
def test_caches_that_grow_and_prompts_play_the_same(config, monkeypatch):
    """Greedily: with caches for all notes at once, with caches that grow, and from a prompt on."""
    config = dataclasses.replace(config, window=256)
    params, sampling, lengths = lively_params(config), Sampling(temperature=0), [200, 190]
    player = Player(make_model(config, params), sampling, Stopwatch())
    plain = player.play(spans_of(lengths))
    again = player.play(spans_of(lengths, [played[:77] for played in plain]))  # note by note, bound to what it was
    assert {key[0] for key in player.model.programs} == {"start", "perform"}
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(programs, "COMPILE_SECONDS", -1.0)  # the right program always, as if compiling cost nothing
    player = Player(make_model(config, params), sampling, Stopwatch())
    grown = player.play(spans_of(lengths))
    assert {key[4] for key in player.model.programs if key[0] == "perform"} == {128, 256}
    for a, b in zip(plain, grown, strict=True):
        np.testing.assert_array_equal(a, b)
    prompted = player.play(spans_of(lengths, [played[:77] for played in plain]))
    for a, b in zip(plain, prompted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {key[0] for key in player.model.programs} == {"start", "follow", "perform", "grow"}


def test_a_program_is_compiled_when_it_has_paid(monkeypatch):
    monkeypatch.setattr(programs, "COMPILE_SECONDS", 1.0)
    monkeypatch.setattr(programs, "_seconds", lambda model, rows, length, notes: 0.01 * rows)
    compiled = []

    def compile(model, *sizes):
        compiled.append(sizes)
        return lambda *_: None

    monkeypatch.setattr(programs, "_COMPILE", {"start": compile})
    player = Player(dataclasses.replace(lively_model(), programs={}), Sampling(), Stopwatch())
    for rows in (16, *[4] * 12):
        player._program("start", *player._shape(rows, 60, NOTES), 64)
    # Four rows among sixteen lose 0.12 s each time: after nine times compilation has paid.
    assert compiled == [(16, 64, NOTES, 64), (4, 64, NOTES, 64)]
    shapes = [player._shape(rows, 60, NOTES) for rows in (1, 4, 5)]
    assert shapes == [(4, 64, NOTES), (4, 64, NOTES), (16, 64, NOTES)]
    assert player._shape(16, 65, NOTES) == (16, 128, NOTES)  # nothing that is there has room for it
    assert player._shape(16, 60, (*NOTES, "metre")) == (16, 64, (*NOTES, "metre"))


def test_performances_of_one_score_share_its_encoding():
    """Bit for bit what each plays when its score is encoded for it alone, with prompts too."""
    scores = [read_piece(made_up_score(60, seed=seed)).tokens for seed in (1, 2)]
    order = [0, 1, 0, 0]
    alone = Player(lively_model(), Sampling(), Stopwatch())
    shared = Player(dataclasses.replace(lively_model(), programs={}), Sampling(), Stopwatch())

    def play(player, prompts, copies):
        whole = [scores[k].map(np.copy) if copies else scores[k] for k in order]
        keys = np.arange(8, dtype=np.uint32).reshape(4, 2)
        return player.play([Span(*span, 0, 10) for span in zip(whole, prompts, keys, strict=True)])

    nothing = [np.zeros((0, NOTE_TOKENS), np.int32)] * 4
    plain, once = play(alone, nothing, True), play(shared, nothing, False)
    np.testing.assert_array_equal(plain, once)
    assert (once[0] != once[2]).any()
    shared.lost["follow", 4, 64, NOTES] = 1e9  # that compiling it has paid
    prompts = [one[:20] for one in plain]
    np.testing.assert_array_equal(play(alone, prompts, True), play(shared, prompts, False))
    assert {key[5] for key in shared.model.programs if key[0] in ("start", "follow")} == {2}


def test_prompts_of_one_length_only():
    spans = spans_of([20, 20], [np.zeros((n, NOTE_TOKENS), np.int32) for n in (1, 2)])
    player = Player(lively_model(), Sampling(), Stopwatch())
    with pytest.raises(ValueError, match="prompts of one length"):
        player.play(spans)


def test_groups_of_rows():
    x, seen = jnp.arange(24.0).reshape(6, 4), []

    def function(x, y):
        seen.append(x.shape)
        return {"sum": x + y, "row": x[:, 0]}

    for group, shape in ((None, (6, 4)), (2, (2, 4)), (4, (6, 4)), (6, (6, 4))):
        made = in_groups(function, group, x, x)
        np.testing.assert_array_equal(made["sum"], 2 * x)
        np.testing.assert_array_equal(made["row"], x[:, 0])
        assert seen.pop() == shape


@pytest.mark.slow
def test_many_devices_play_what_one_does():
    """Six rows, on eight devices and on four: rows divided, no device left out, nothing exchanged between them."""
    params, pieces = lively_params(NOTE), [read_piece(made_up_score(n, seed=n)) for n in (90, 40, 64, 10, 70, 33)]
    one = dict(render_all(pieces, make_model(NOTE, params), seed=1))
    for count in (8, 4):
        model = make_model(NOTE, params, devices=jax.local_devices()[:count])
        many = dict(render_all(pieces, model, seed=1))
        for number, rendering in one.items():
            assert_same(many[number].notes, rendering.notes)
        assert all(key[1] % count == 0 for key in model.programs)
        for key, program in model.programs.items():
            text = program.as_text()  # type: ignore[attr-defined]
            assert not any(word in text for word in ("all-reduce", "all-gather", "all-to-all", "collective")), key


CODE = """
import sys
from pathlib import Path
from pianist_jax.inference.compilation import keep_programs
folder = keep_programs()
from pianist_jax.rendering.renderer import render
from tests.rendering.models import lively_model, made_up_score
render(made_up_score(70), lively_model(), seed=2).save(sys.argv[1])
print(len(list(folder.glob('*-cache'))) if folder else None)
"""


def run(out, **environment):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    own = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment = {**own, "PYTHONPATH": paths, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run([sys.executable, "-c", CODE, out], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.mark.slow
def test_kept_programs_play_the_same(tmp_path):
    """Compiled, kept, read again, or nowhere to be kept: the same bytes, and no word about it."""
    kept, again, none, blocked = (str(tmp_path / name) for name in ("kept", "again", "none", "blocked"))
    (tmp_path / "file").touch()
    count, words = run(kept, PIANIST_CACHE=tmp_path / "cache")
    assert int(count) >= 2
    assert run(again, PIANIST_CACHE=tmp_path / "cache")[1] == words
    assert run(none, PIANIST_CACHE="") == ("None", words)
    assert run(blocked, PIANIST_CACHE=tmp_path / "file" / "below") == ("None", words)
    first = Path(f"{kept}.performance.mid").read_bytes()
    assert all(Path(f"{name}.performance.mid").read_bytes() == first for name in (again, none, blocked))


@pytest.mark.slow
def test_a_damaged_program_is_compiled_anew(tmp_path):
    kept, again = str(tmp_path / "kept"), str(tmp_path / "again")
    run(kept, PIANIST_CACHE=tmp_path / "cache")
    for file in (tmp_path / "cache").rglob("*-cache"):
        file.write_bytes(file.read_bytes()[:100])
    run(again, PIANIST_CACHE=tmp_path / "cache")
    assert Path(f"{kept}.performance.mid").read_bytes() == Path(f"{again}.performance.mid").read_bytes()
