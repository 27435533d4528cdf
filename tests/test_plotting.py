import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pianist_jax import plotting
from pianist_jax.errors import PianistError
from pianist_jax.music.notes import Notes
from pianist_jax.performance.tempo_map import map_tempo
from pianist_jax.score.grid import ScoreGrid


def draw(*performances, **options) -> Any:  # matplotlib's types know neither legends nor paths
    return plotting.draw(*performances, **options)


def performance_of(bars=8, pace=500, names=("Right hand", "Left hand"), pedal=True):
    """A right hand in quarters over a left hand in whole notes, 4/4, `pace` ms a quarter."""
    high, low = np.arange(4 * bars), np.arange(0, 4 * bars, 4)
    quarters = np.append(high, low)
    order = np.argsort(quarters, kind="stable")
    part = np.append(np.zeros(4 * bars, int), np.ones(bars, int))[order]
    length = np.append(np.full(4 * bars, 1), np.full(bars, 4))[order]
    pitch = np.append(60 + high % 12, np.full(bars, 40))[order]
    velocity = np.where(part == 0, 70, 50)
    quarters = quarters[order]
    times, values = ([0, pace * 4], [127, 0]) if pedal else ([], [])
    notes = Notes(
        pitch,
        quarters * pace,
        length * pace - 10,
        velocity,
        np.array(times, np.int64),
        np.array(values, np.int64),
    )
    part = np.minimum(part, len(names) - 1)
    return map_tempo(ScoreGrid(480, quarters * 480, length * 480, part, names), notes, "beat")


def test_a_steady_performance_has_a_steady_tempo():
    mapped = performance_of(pace=500)
    np.testing.assert_allclose(plotting.quarters_a_minute(mapped, np.array([0.0, 4.0, 8.0, 9.0])), 120, rtol=1e-3)
    figure = draw([("slow", performance_of(pace=1000)), ("quick", mapped)])
    tempo = figure.axes[1]
    bars = [patch for patch in tempo.patches if patch.get_label() in ("slow", "quick")]
    assert [round(float(np.mean(bar.get_data().values))) for bar in bars] == [60, 120]
    assert [text.get_text() for text in tempo.get_legend().get_texts()] == ["slow", "quick"]


def test_what_the_picture_shows():
    figure = draw([("me", performance_of())], title="A piece")
    roll, tempo, right, left, pedal = figure.axes
    assert figure.get_suptitle() == "A piece"
    assert [axis.get_ylabel() for axis in (tempo, right, left, pedal)] == [
        "tempo\n(quarters/min)", "Right hand\nvelocity", "Left hand\nvelocity", "pedal",
    ]  # fmt: skip
    assert [label.get_text() for label in roll.get_yticklabels()] == ["C3", "C4", "C5"]
    assert pedal.get_xticks().tolist() == [4 * k for k in range(8)]
    assert [label.get_text() for label in pedal.get_xticklabels()] == [str(k + 1) for k in range(8)]
    written, played = roll.collections
    assert len(written.get_paths()) == len(played.get_paths()) == 40
    box = written.get_paths()[1].vertices  # of bar 1, beat 1: the left hand's whole note
    assert (box[:, 0].min(), box[:, 0].max()) == (0, 4)
    assert (box[:, 1].min() + box[:, 1].max()) / 2 == 40
    box = played.get_paths()[1].vertices
    np.testing.assert_allclose([box[:, 0].min(), box[:, 0].max()], [0, 3.98], atol=0.002)
    assert right.collections[0].get_offsets()[:, 1].tolist() == [70] * 32
    assert left.collections[0].get_offsets()[:, 1].tolist() == [50] * 8
    curve = right.lines[0].get_ydata()
    np.testing.assert_allclose(curve, 70)
    clock = [text.get_text() for text in roll.texts]
    assert clock == ["0:00.0", "0:04.0", "0:08.0", "0:12.0"]
    band = pedal.collections[0].get_paths()[0].vertices
    assert band[band[:, 1] > 0.5][:, 0].max() == pytest.approx(4, abs=0.01)


def test_an_excerpt():
    figure = draw([("me", performance_of())], bars=(3, 4))
    assert figure.axes[0].get_xlim() == (8, 16)
    assert figure.axes[-1].get_xticks().tolist() == [8, 12]
    boxes = np.concatenate([path.vertices[:, 0] for path in figure.axes[0].collections[0].get_paths()])
    assert 4 <= boxes.min() < boxes.max() <= 20
    for bars in ((0, 4), (5, 4), (3, 9)):
        with pytest.raises(PianistError, match="the score has bars 1-8"):
            draw([("me", performance_of())], bars=bars)


def test_long_pieces_are_overviews():
    figure = draw([("me", performance_of(bars=300))])
    assert figure.get_figwidth() == plotting.WIDEST
    labels = [int(label.get_text()) for label in figure.axes[-1].get_xticklabels()]
    assert labels == [1, *range(20, 301, 20)]
    assert figure.axes[-1].get_ylabel() == "pedal\n(mean)"
    depth = figure.axes[-1].collections[0].get_paths()[0].vertices
    assert depth[depth[:, 0] < 3.9][:, 1].max() == pytest.approx(0.85, abs=0.01)
    assert depth[depth[:, 0] > 4.1][:, 1].max() < 0.01


@pytest.mark.parametrize(("names", "rows"), [(("Piano",), ["Piano"]), (("a", "b", "c"), ["All parts"])])
def test_other_parts_than_hands(names, rows):
    figure = draw([("me", performance_of(names=names, pedal=False))])
    assert [axis.get_ylabel() for axis in figure.axes[2:-1]] == [f"{row}\nvelocity" for row in rows]
    assert [text.get_text() for text in figure.axes[-1].texts] == ["no pedal"]


def test_the_smoothed_mean():
    place, values = np.array([0.0, 0.0, 10.0]), np.array([10.0, 30.0, 50.0])
    mean = plotting.smoothed(place, values, np.array([0.0, 5.0, 10.0]), 1.0)
    assert (mean[0], mean[2]) == pytest.approx((20, 50))
    assert np.isnan(mean[1])


def test_the_file(tmp_path):
    path = tmp_path / "a.png"
    plotting.plot(path, [("me", performance_of())], bars=(1, 2))
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert [*tmp_path.iterdir()] == [path]
    assert int.from_bytes(data[16:20], "big") == plotting.NARROWEST * plotting.DPI
    with pytest.raises(PianistError, match="cannot be written"):
        plotting.plot(tmp_path / "none" / "a.png", [("me", performance_of())])


def test_how_many_can_be_drawn():
    one = ("me", performance_of())
    with pytest.raises(ValueError, match="5 performances"):
        draw([one] * 5)
    with pytest.raises(ValueError, match="0 performances"):
        draw([])
    assert len(draw([one] * 4).axes[-1].collections) == 4


def test_performances_of_part_of_the_score():
    """A human who left notes out is drawn over a rendering of them all."""
    whole = performance_of()
    kept = np.arange(len(whole.grid)) % 7 != 3
    score = dataclasses.replace(
        whole.score, onset=whole.score.onset[kept], duration=whole.score.duration[kept], part=whole.score.part[kept]
    )
    played = Notes(
        whole.notes.pitch[kept],
        score.onset,
        score.duration - 10,
        whole.notes.velocity[kept],
        np.zeros(0, int),
        np.zeros(0, int),
    )
    figure = draw([("all", whole), ("some", map_tempo(score, played, "beat"))])
    assert len(figure.axes[2].lines) > len(figure.axes[0].lines)


def test_matplotlib_is_imported_only_to_draw():
    code = "import pianist_jax.plotting, sys; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
