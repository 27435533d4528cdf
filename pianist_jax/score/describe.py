"""What is in a score or a performance, in words: a row for each thing, problems last."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

import numpy as np

from pianist_jax.music.notes import Notes, normalise
from pianist_jax.music.tokens import MAX_DURATION, MAX_IOI
from pianist_jax.score.facts import Score, sounding_keys
from pianist_jax.score.grid import LEFT, MAJOR, MINOR, RIGHT
from pianist_jax.score.hands import RIGHT_HAND, separate_hands
from pianist_jax.score.load import load
from pianist_jax.score.reading import AS_IT_STANDS, Reading
from pianist_jax.score.written import LEVELS, Mark

Rows = list[tuple[str, str]]

LOWEST, HIGHEST = 21, 108  # of a piano
MAX_SEPARATED = 20_000  # notes whose hands are worked out
SHOWN = 8  # changes that are told one by one
DOWN = 64  # of the pedal
FINEST = 48  # parts of a quarter: semiquaver triplets and hemidemisemiquavers
TOO_LONG = "follows the local tempo"  # the model has no words for it
ON_GRID = 0.9  # share of onsets on such parts from which on a MIDI file looks like a score
PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


def describe(path: str | os.PathLike[str], reading: Reading = AS_IT_STANDS) -> Rows:
    """(what, how it is) of a score or MIDI file, read as is wanted. Raises PianistError."""
    score = load(path, reading)
    rows = [("title", score.title)] if score.title else []
    rows += [("format", _format(score))]
    rows += _bars(score)
    rows += [("metre", _changes(score, [(t.start, f"{t.beats}/{t.beat_type}") for t in score.time_signatures]))]
    keys = [(key.start, _key(key.fifths, key.minor)) for key in sounding_keys(score)]
    rows += [("key", _changes(score, keys) if keys else "not said")]
    rows += [("tempo", _tempo(score)), ("notes", _notes(score)), ("hands", _hands(score))]
    rows += [("length", _length(score.notes)), ("dynamics", _dynamics(score)), ("pedal", pedal_in_words(score.notes))]
    signs = _signs(score)
    rows += [("signs", signs)] if signs else []
    rows += [("read as" if n == 0 else "", reading) for n, reading in enumerate(score.readings)]
    problems = _problems(score)
    return rows + [("problems" if n == 0 else "", problem) for n, problem in enumerate(problems or ["none"])]


def _format(score: Score) -> str:
    if score.midi_grid is None:
        return score.format
    place = score.onset * FINEST
    off = np.abs(place - np.rint(place)) * score.midi_grid.ticks_per_quarter
    share = float(np.mean(off <= FINEST))  # a tick off is on it
    kind = "a score" if share >= ON_GRID else "a performance"
    return f"{score.format}; {share:.0%} of the notes on the beat's parts, as in {kind}"


def _bars(score: Score) -> Rows:
    played, again = len(score.bars), sum(bar.time_through > 1 for bar in score.bars)
    silent = played + 1 - len(score.grid.bars())  # what is rendered ends with the bar of the last note
    words = [f"{played}"] + [f"{again} of them repeats"] * (again > 0) + ["the first a pick-up"] * score.bars[0].pickup
    words += [f"the last {silent if silent > 1 else ''} silent".replace("  ", " ")] * (silent > 0)
    return [("bars", ", ".join(words))]


def _bar_at(score: Score, quarter: float) -> int:
    """The bar, as played and counted from 1, in which a place lies."""
    return max(1, int(np.searchsorted([bar.start for bar in score.bars], quarter + 1e-6, side="right")))


def _changes(score: Score, events: Sequence[tuple[float, str]]) -> str:
    """What holds from where on; of many changes the first."""
    kept = [event for n, event in enumerate(events) if n == 0 or event[1] != events[n - 1][1]]
    words = [text if n == 0 else f"{text} from bar {_bar_at(score, at)}" for n, (at, text) in enumerate(kept[:SHOWN])]
    return ", ".join(words) + (f", {_some(len(kept) - SHOWN, 'more change')}" if len(kept) > SHOWN else "")


def _key(fifths: int, minor: bool) -> str:
    if not -7 <= fifths <= 7:
        return f"{abs(fifths)} {'sharps' if fifths > 0 else 'flats'}"
    return f"{MINOR[fifths + 7][:-1]} minor" if minor else f"{MAJOR[fifths + 7]} major"


def _tempo(score: Score) -> str:
    tempi = [(tempo.start, f"{tempo.quarters_per_minute:.4g}") for tempo in score.tempos]
    values = [tempo.quarters_per_minute for tempo in score.tempos]
    if len(tempi) <= SHOWN:
        return f"{_changes(score, tempi)} quarters a minute"
    return f"{min(values):.4g}–{max(values):.4g} quarters a minute, {len(tempi) - 1} changes"


def pitch_name(pitch: int) -> str:
    """C4 for 60."""
    return f"{PITCHES[pitch % 12]}{pitch // 12 - 1}"


def _notes(score: Score) -> str:
    pitch, grace = score.notes.pitch, int(np.count_nonzero(score.grace))
    names = f"{pitch_name(int(pitch.min()))}–{pitch_name(int(pitch.max()))}"
    return f"{len(pitch)}, {names}" + (f", {grace} of them grace notes" if grace else "")


def _hands(score: Score) -> str:
    counts = [(RIGHT, 1), (LEFT, 2), ("not said", 0)]
    found = [(name.lower(), int(np.count_nonzero(score.hand == hand))) for name, hand in counts]
    voices = len(np.unique(score.voice))
    if not score.hand.any() and len(score) <= MAX_SEPARATED:
        right = int(np.count_nonzero(separate_hands(score.onset, score.duration, score.notes.pitch) == RIGHT_HAND))
        found[-1] = (f"not said, by their places right hand {right}, left hand", len(score) - right)
    return ", ".join(f"{name} {count}" for name, count in found if count) + f"; {voices} voice{'s' * (voices != 1)}"


def _length(notes: Notes) -> str:
    return minutes(int(notes.end.max())) + (
        f", silent until {notes.onset.min() / 1000:.3f} s" if notes.onset.min() else ""
    )


def minutes(ms: int) -> str:
    """1:02.5 for 62 500 ms."""
    return f"{ms // 60_000}:{ms % 60_000 / 1000:04.1f}"


def _dynamics(score: Score) -> str:
    velocity = score.notes.velocity
    low, high = int(velocity.min()), int(velocity.max())
    words = f"velocity {low}" if low == high else f"velocity {low}–{high}, mean {velocity.mean():.0f}"
    levels = Counter(score.level[score.level >= 0].tolist())
    marked = [f"{LEVELS[level]} {count}" for level, count in sorted(levels.items())]
    hairpins = (("crescendo", 1), ("diminuendo", -1))
    marked += [f"{name} {count}" for name, way in hairpins if (count := int(np.count_nonzero(score.hairpin == way)))]
    return words + (f"; notes under {', '.join(marked)}" if marked else "")


def pedal_in_words(notes: Notes) -> str:
    """The kind of sustain pedal and how much of it there is."""
    value = notes.pedal_value
    if not len(value) or not value.any():
        return "none"
    between = np.unique(value[(value > 0) & (value < 127)])
    kind = f"continuous ({len(between)} depths)" if len(between) else "on and off"
    down = value >= DOWN
    presses = int(np.count_nonzero(down & ~np.concatenate([[False], down[:-1]])))
    begin, end = int(notes.onset.min()), int(notes.end.max())
    time = np.clip(np.append(notes.pedal_time, end), begin, end)
    share = float(np.sum(np.diff(time)[down]) / max(end - begin, 1))
    return f"{kind}, {len(value)} events, pressed {presses} times, down {share:.0%} of the time"


def _signs(score: Score) -> str:
    marks = score.marks[["~" not in note_id for note_id in score.note_id]]  # of an ornament its first note
    found = [(mark.name or "", int(np.count_nonzero(marks & mark.value))) for mark in Mark]
    hidden = {Mark.SLUR_START.name, Mark.SLUR_STOP.name, Mark.ORNAMENT.name}
    return ", ".join(f"{name.lower()} {count}" for name, count in found if count and name not in hidden)


def _problems(score: Score) -> list[str]:
    notes, found = score.notes, []
    merged = len(notes) - len(normalise(notes)[0])
    if merged:
        found.append(f"{_some(merged, 'note')} of the same pitch and onset as another: performed as one")
    order = np.lexsort((notes.onset, notes.pitch))
    same = (np.diff(notes.pitch[order]) == 0) & (np.diff(notes.onset[order]) > 0)
    overlaps = int(np.count_nonzero(same & (notes.end[order][:-1] > notes.onset[order][1:])))
    if overlaps:
        found.append(f"{_some(overlaps, 'note')} still sounding when the key is struck again: released there")
    gaps = int(np.count_nonzero(np.diff(np.sort(notes.onset)) > MAX_IOI))
    if gaps:
        found.append(f"{_some(gaps, 'gap')} of more than {MAX_IOI / 1000:g} s between onsets: what is over {TOO_LONG}")
    long = int(np.count_nonzero(notes.duration > MAX_DURATION))
    if long:
        found.append(f"{_some(long, 'note')} of more than {MAX_DURATION / 1000:g} s: what is over {TOO_LONG}")
    short = int(np.count_nonzero(notes.duration < 1))
    if short:
        found.append(f"{_some(short, 'note')} without length: performed as 1 ms")
    outside = int(np.count_nonzero((notes.pitch < LOWEST) | (notes.pitch > HIGHEST)))
    if outside:
        found.append(f"{_some(outside, 'note')} that a piano does not have")
    if len(notes.pedal_value) and notes.pedal_value[-1] >= DOWN:
        found.append("the pedal is down at the end")
    return [*found, *score.problems, *(f"left out: {what}" for what in score.left_out), *score.oddities]


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
