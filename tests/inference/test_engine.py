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

from pianist_jax.config import Sampling
from pianist_jax.inference import decoder as decoders
from pianist_jax.inference.decoder import Chooser, Decoder, Timer
from pianist_jax.inference.engine import make_model
from pianist_jax.inference.programs import ProgramKey, in_groups
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
        spans.append(Span(tokens, known, np.array([3, row], np.uint32), 0, notes - len(known), row))
    return spans


@pytest.mark.slow
@pytest.mark.parametrize("config", [NOTE, TOKEN])
def test_caches_that_grow_and_prompts_play_the_same(config, monkeypatch):
    """Greedily: with caches for all notes at once, with caches that grow, and from a prompt on."""
    config = dataclasses.replace(config, window=256)
    params, sampling, lengths = lively_params(config), Sampling(temperature=0), [200, 190]
    decoder = Decoder(make_model(config, params), sampling, Timer())
    plain = decoder.play(spans_of(lengths))
    again = decoder.play(spans_of(lengths, [played[:77] for played in plain]))  # note by note, bound to what it was
    assert {key.kind for key in decoder.model.programs.compiled} == {"start", "perform"}
    for a, b in zip(plain, again, strict=True):
        np.testing.assert_array_equal(a, b)
    monkeypatch.setattr(decoders, "COMPILE_SECONDS", -1.0)  # the right program always, as if compiling cost nothing
    decoder = Decoder(make_model(config, params), sampling, Timer())
    grown = decoder.play(spans_of(lengths))
    assert {key.reach for key in decoder.model.programs.compiled if key.kind == "perform"} == {128, 256}
    for a, b in zip(plain, grown, strict=True):
        np.testing.assert_array_equal(a, b)
    prompted = decoder.play(spans_of(lengths, [played[:77] for played in plain]))
    for a, b in zip(plain, prompted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {key.kind for key in decoder.model.programs.compiled} == {"start", "follow", "perform", "grow"}


def test_a_program_is_compiled_when_it_has_paid(monkeypatch):
    monkeypatch.setattr(decoders, "COMPILE_SECONDS", 1.0)
    chooser, taken = Chooser(), list[ProgramKey]()
    sixteen, four = (ProgramKey("perform", rows, 64, NOTES) for rows in (16, 4))
    for key in (sixteen, *[four] * 12):
        taken.append(chooser.choose(key, taken, lambda key: 0.01 * key.rows))
    # Four rows among sixteen lose 0.12 s each time: after nine times compilation has paid.
    assert taken == [sixteen] * 9 + [four] * 4


def test_a_batch_takes_a_size_that_is_there_and_has_room():
    decoder = Decoder(make_model(NOTE, lively_params(NOTE)), Sampling(), Timer())
    assert decoder.choose_size(3, 60, NOTES) == ProgramKey("perform", 4, 64, NOTES)
    decoder.model.programs.compiled[ProgramKey("start", 16, 64, NOTES, reach=64, scores=1)] = print
    assert decoder.choose_size(3, 60, NOTES) == ProgramKey("perform", 16, 64, NOTES)
    assert decoder.choose_size(16, 65, NOTES) == ProgramKey("perform", 16, 128, NOTES)
    with_metre = (*NOTES, "metre")
    assert decoder.choose_size(16, 60, with_metre) == ProgramKey("perform", 16, 64, with_metre)


@pytest.mark.slow
def test_performances_of_one_score_share_its_encoding():
    """Bit for bit what each plays when its score is encoded for it alone, with prompts too."""
    scores = [read_piece(made_up_score(60, seed=seed)).tokens for seed in (1, 2)]
    order = [0, 1, 0, 0]
    alone = Decoder(lively_model(), Sampling(), Timer())
    shared = Decoder(make_model(NOTE, lively_params(NOTE)), Sampling(), Timer())

    def play(decoder, prompts, copies):
        whole = [scores[k].map(np.copy) if copies else scores[k] for k in order]
        keys = np.arange(8, dtype=np.uint32).reshape(4, 2)
        numbers = range(4) if copies else order
        given = zip(whole, prompts, keys, numbers, strict=True)
        return decoder.play([Span(score, prompt, key, 0, 10, piece) for score, prompt, key, piece in given])

    nothing = [np.zeros((0, NOTE_TOKENS), np.int32)] * 4
    plain, once = play(alone, nothing, True), play(shared, nothing, False)
    np.testing.assert_array_equal(plain, once)
    assert (once[0] != once[2]).any()
    shared.chooser.lost[ProgramKey("follow", 4, 64, NOTES)] = 1e9  # that compiling it has paid
    prompts = [one[:20] for one in plain]
    np.testing.assert_array_equal(play(alone, prompts, True), play(shared, prompts, False))
    assert {key.scores for key in shared.model.programs.compiled if key.kind in ("start", "follow")} == {2}


def test_prompts_of_one_length_only():
    spans = spans_of([20, 20], [np.zeros((n, NOTE_TOKENS), np.int32) for n in (1, 2)])
    decoder = Decoder(lively_model(), Sampling(), Timer())
    with pytest.raises(ValueError, match="prompts of one length"):
        decoder.play(spans)


def test_final_notes_are_told_as_they_come():
    told: dict[int, list[np.ndarray]] = {0: [], 1: []}
    decoder = Decoder(lively_model(), Sampling(), Timer(), on_notes=lambda span, ids: told[span.draw].append(ids))
    prompts = [np.full((70, NOTE_TOKENS), 900, np.int32) for _ in range(2)]
    for draw, prompt in enumerate(prompts):
        prompt[:, 0] = spans_of([150])[0].score.notes[:70, 0]
        prompts[draw] = prompt
    spans = [dataclasses.replace(s, draw=k, fresh=(80, 61)[k]) for k, s in enumerate(spans_of([150, 150], prompts))]
    played = decoder.play(spans)
    assert [[len(ids) for ids in told[k]] for k in told] == [[58, 22], [58, 3]]
    for span, ids in zip(spans, played, strict=True):
        np.testing.assert_array_equal(np.concatenate(told[span.draw]), ids[70 : 70 + span.fresh])


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
        compiled = model.programs.compiled
        assert all(key.rows % count == 0 for key in compiled)
        for key, program in compiled.items():
            text = program.as_text()  # type: ignore[attr-defined]
            assert not any(word in text for word in ("all-reduce", "all-gather", "all-to-all", "collective")), key


CODE = """
import sys
from pathlib import Path
from pianist_jax.inference.compilation import programs_folder
folder = programs_folder()
from pianist_jax.rendering.renderer import render
from tests.rendering.models import lively_model, made_up_score
out = Path(sys.argv[1])
render(made_up_score(70), lively_model(), seed=2).save(out.parent, name=out.name)
print(len(list(folder.glob('*.program'))) if folder else None)
"""


def run(out, **environment):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths, **{name: str(value) for name, value in environment.items()}}
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
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.program")}
    assert run(again, PIANIST_CACHE=tmp_path / "cache") == (count, words)
    assert files == {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.program")}
    assert run(again, PIANIST_CACHE=tmp_path / "cache", JAX_COMPILATION_CACHE_DIR=tmp_path / "jax") == ("None", words)
    assert run(none, PIANIST_CACHE="") == ("None", words)
    assert run(blocked, PIANIST_CACHE=tmp_path / "file" / "below") == ("None", words)
    first = Path(f"{kept}.performance.mid").read_bytes()
    assert all(Path(f"{name}.performance.mid").read_bytes() == first for name in (again, none, blocked))


@pytest.mark.slow
def test_a_damaged_program_is_compiled_anew(tmp_path):
    kept, again = str(tmp_path / "kept"), str(tmp_path / "again")
    run(kept, PIANIST_CACHE=tmp_path / "cache")
    for file in (tmp_path / "cache").rglob("*.program"):
        file.write_bytes(file.read_bytes()[:100])
    run(again, PIANIST_CACHE=tmp_path / "cache")
    assert all(file.stat().st_size > 1000 for file in (tmp_path / "cache").rglob("*.program"))
    assert Path(f"{kept}.performance.mid").read_bytes() == Path(f"{again}.performance.mid").read_bytes()
