"""Does a MusicXML score give the same notes as the MIDI file that a notation program made of it?

    python -m experiments.score_input --asap DIR [--out FILE.json] [--all]

Reads every MusicXML score of ASAP and its MIDI twin with `score.load` and pairs their notes: same pitch, onsets
within 1/40 quarter (12 ticks of the twins' 480; twins hold tuplets rounded to ticks). Unisons count once. Prints
the worst pieces (or all), the share of equal notes, and the class of every note that has no equal.

Result with ornaments played, shifted bars put back, an ornament equal if main note, place and kind agree (`agreeing`),
without the six pieces of other repeats: train 502431 of 505144 (99.46%), validation 37997 of 38208 (99.45%).

Of the 211 notes that remain in the 14 pieces of validation 58, in Kreisleriana 5, are the twin's: a tie without an end
leads there over other notes to the next of its pitch. 37, in Reflets dans l'eau, are the score's: at octave lines its
pitches leap an octave and back within a run (bar 24). Over all pieces the twins play 4 256 notes above those with which
small notes spell a trill out, which is played here as it is spelled, and 3 789 of trills whose sign the score has lost.

Result while ornaments were marks (213 of 216 scores; three have no MusicXML upstream; 30 s of one core for 426 files):

    split        equal / score notes     of the twins'   with shifted bars put back   median piece
    train        473560 / 520559 91.0%   88.5%           96.7% / 94.0%                98.2%
    validation    36647 /  38210 95.9%   93.2%           98.1% / 95.3%                95.8%

In the 179 pieces whose two files are of one length 98.4% of the score's notes are equal, 96.5% of the twin's. Of
the equal notes 94% lie within 20 ms of the twin (nine pieces have other tempo marks in the two files), 88% have
its length (the twins play staccato and slurs shorter), 84% its velocity (twins play hairpins and sf otherwise).

    30482  in 48 pieces: a bar before them is of another length, so that all that follows is shifted. Bars whose
           voices do not add up (small-note runs, tuplets cut to ticks, pick-ups of 1/2 against 3/4 quarter): each
           program mends its own way.
    15835  in 6 pieces the twin plays other repeats than the score writes: five _no_repeat, one _extra_repeat.
    13277  trills, mordents, turns and tremolos that the twin writes out and the score keeps as marks; 3909 of
           them trills that it plays above those that small notes spell out, or whose sign the score has lost.
     5409  grace notes, and the main notes behind them: played on the beat there, before it here.
     2648  arpeggios, spread there, a mark here.
     3669  others: broken tuplets, ties with one end, ornaments and small notes of a little other place.

39 of the scores have repeats, voltas or a da capo: 31 are of the twin's length, four are among the six above, four
differ by bars that do not add up. Ties whose second end the file lacks (some twelve files) are joined: of 182
such, 122 agree with the twin, 60 do not.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pianist_jax.errors import PianistError
from pianist_jax.score.load import Mark, Score, load

TOLERANCE = 1 / 40  # quarters
EXACT = 1 / 500  # paired first, before anything else takes such a note
OTHER_REPEATS = 8.0  # quarters: where the lengths differ by more, repeats do
NEAR = 1.0  # quarters within which a note counts as the same one, moved
TRILL = 5  # notes of nearly one pitch within a quarter
ORNAMENT = int(Mark.TRILL | Mark.MORDENT | Mark.TURN)
FREE = ORNAMENT | int(Mark.TREMOLO)
ROOM = 0.5  # quarters within which an ornament begins
DISPLACED = ("moved: after a grace note", "moved: arpeggio spread")


@dataclass(frozen=True)
class Agreement:
    """One piece: how many notes each file has (unisons once), how many are equal, and why the rest are not.

    An ornament is one note, whatever is played for it: `score` counts it once, `ornaments` says how many there are.
    `put_back` are the notes that are equal but for the length of bars before them, `ornaments_equal` the ornaments,
    and notes that grace notes displace, whose main note, place and kind agree (`agreeing`).
    """

    piece: str
    split: str
    score: int
    twin: int
    equal: int
    put_back: int
    ornaments: int
    ornaments_equal: int
    same_ms: int
    same_length: int
    same_velocity: int
    bars: tuple[float, float]
    classes: dict[str, int]

    @property
    def share(self) -> float:
        """Notes that are equal, shifted bars put back, an ornament where its main note, place and kind agree."""
        return (self.equal + self.put_back + self.ornaments_equal) / self.score

    @property
    def other_repeats(self) -> bool:
        """Whether the twin plays other repeats than the score writes."""
        return abs(self.bars[0] - self.bars[1]) > OTHER_REPEATS


def pieces(asap: Path) -> list[tuple[str, str, Path, Path]]:
    """(piece, split, MusicXML, MIDI) of all scores of ASAP that have both, by piece."""
    with (asap / "metadata.csv").open(newline="") as file:
        rows = {row["folder"]: row for row in csv.DictReader(file)}
    found = []
    for folder, row in sorted(rows.items()):
        xml, midi = asap / row["xml_score"], asap / row["midi_score"]
        if xml.is_file() and midi.is_file():
            found.append((folder, row["split"], xml, midi))
    return found


def unique(score: Score) -> np.ndarray:
    """int64[K] indices of the notes, of unisons (same pitch and place) the longest."""
    place = np.round(score.onset, 3)
    order = np.lexsort((-score.duration, place, score.notes.pitch))
    pitch, place = score.notes.pitch[order], place[order]
    first = np.ones(len(order), bool)
    first[1:] = (pitch[1:] != pitch[:-1]) | (place[1:] != place[:-1])
    return order[first]


def pair(
    a: Score, b: Score, left: np.ndarray, right: np.ndarray, within: float, shift: np.ndarray | None = None
) -> np.ndarray:
    """int64[M, 2] pairs of indices from `left` and `right`: same pitch, onsets within so many quarters, in order."""
    pairs = []
    onset = a.onset if shift is None else a.onset + shift
    for pitch in np.intersect1d(a.notes.pitch[left], b.notes.pitch[right]):
        i = left[a.notes.pitch[left] == pitch]
        j = right[b.notes.pitch[right] == pitch]
        i, j = i[np.argsort(onset[i])], j[np.argsort(b.onset[j])]
        at = 0
        for index in i:
            while at < len(j) and b.onset[j[at]] < onset[index] - within:
                at += 1
            if at < len(j) and b.onset[j[at]] <= onset[index] + within:
                pairs.append((index, j[at]))
                at += 1
    return np.array(pairs, np.int64).reshape(-1, 2)


def shifts(score: Score, twin: Score, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """float64[N] quarters by which the twin's bar comes later than the score's, for each note of the score.

    A bar keeps the shift of the one before unless another shift (at most 8 quarters away) puts twice as many of
    its notes on a twin's note: where the files disagree on a bar's length, all that follows is shifted.
    """
    places = {pitch: np.sort(twin.onset[right][twin.notes.pitch[right] == pitch]) for pitch in range(128)}
    shift, all_shifts = 0.0, np.zeros(len(score))
    bar = score.bar[left]
    for index in range(len(score.bars)):
        notes = left[(bar == index) & ~score.grace[left]]
        votes: Counter[int] = Counter()
        for note in notes:
            at = score.onset[note] + shift
            near = places[int(score.notes.pitch[note])]
            low, high = np.searchsorted(near, [at - 8, at + 8])
            for delta in {round((other - at) / TOLERANCE) for other in near[low:high]}:
                votes[delta] += 1
        stay = votes[0] + max(votes[-1], votes[1])
        best, count = max(votes.items(), key=lambda item: (item[1], -abs(item[0])), default=(0, 0))
        if abs(best) > 1 and count > 2 * stay and count >= 0.6 * len(notes) and len(notes) >= 4:
            shift += best * TOLERANCE
        all_shifts[score.bar == index] = shift
    return all_shifts


def compare(piece: str, split: str, score: Score, twin: Score) -> Agreement:
    """Pair the notes of a score and its twin and name the class of those that are left."""
    everything, right = unique(score), unique(twin)
    ornaments = grouped(score)
    left = np.setdiff1d(everything, np.concatenate([*ornaments, np.array([], np.int64)]))
    exact = pair(score, twin, left, right, EXACT)
    rest = (np.setdiff1d(left, exact[:, 0]), np.setdiff1d(right, exact[:, 1]))
    equal = np.concatenate([exact, pair(score, twin, *rest, TOLERANCE)])
    i, j = equal.T
    left_over, right_over = np.setdiff1d(left, i), np.setdiff1d(right, j)
    shift = shifts(score, twin, everything, right)
    shifted = pair(score, twin, left_over, right_over, 2 * TOLERANCE, shift)
    left_over, right_over = np.setdiff1d(left_over, shifted[:, 0]), np.setdiff1d(right_over, shifted[:, 1])
    agree, taken = agreeing(score, twin, ornaments, right_over, shift)
    right_over = np.setdiff1d(right_over, taken)
    moved = pair(score, twin, left_over, right_over, NEAR, shift)
    displaced = [
        place
        for place, (index, other) in enumerate(moved)
        if _why_moved(score, index) in DISPLACED and abs(score.onset[index] + shift[index] - twin.onset[other]) <= ROOM
    ]
    ms = score.notes.onset[i] - round(score.lead) - twin.notes.onset[j]
    classes = Counter(_why_moved(score, index) for index in np.delete(moved[:, 0], displaced))
    for indices, same in zip(ornaments, agree, strict=True):
        classes[f"another ornament: {_kind(score, indices[-1])}"] += not same
    classes["shifted: a bar before it has another length"] += len(shifted)
    for index in np.setdiff1d(left_over, moved[:, 0]):
        classes[f"only in the score: {_kind(score, index)}"] += 1
    for index in np.setdiff1d(right_over, moved[:, 1]):
        classes[f"only in the twin: {_why_added(score, twin, index)}"] += 1
    if abs(length(score) - length(twin)) > OTHER_REPEATS:
        classes = Counter({"the twin plays other repeats": classes.total()})
    return Agreement(
        piece,
        split,
        len(left) + len(ornaments),
        len(right),
        len(equal),
        len(shifted),
        len(ornaments),
        sum(agree) + len(displaced),
        int(np.sum(np.abs(ms) <= 20)),
        int(np.sum(np.abs(score.duration[i] - twin.duration[j]) <= 2 * TOLERANCE)),
        int(np.sum(score.notes.velocity[i] == twin.notes.velocity[j])),
        (length(score), length(twin)),
        dict(+classes),
    )


def grouped(score: Score) -> list[np.ndarray]:
    """Indices of the notes of each ornament, in order: those of one written note."""
    found: dict[str, list[int]] = {}
    for index in np.flatnonzero(score.marks & int(Mark.ORNAMENT)).tolist():
        name, _, number = score.note_id[index].partition("~")
        found.setdefault(name + number[number.find("-") :] * ("-" in number), []).append(index)
    return [np.array(indices) for indices in found.values()]


def agreeing(
    score: Score, twin: Score, ornaments: list[np.ndarray], free: np.ndarray, shift: np.ndarray
) -> tuple[list[bool], np.ndarray]:
    """Whether the twin has each ornament, and the int64[K] of its `free` notes that are those of ornaments.

    A grace note, a note of a broken chord, or one that a grace note delays: a note of its pitch within half a quarter.
    What is more notes than one begins in the twin, too, within half a quarter of its place, plays its main note (the
    last, of a glissando the first) and, a trill, mordent or turn, one of its neighbours; a tremolo, its own again.
    """
    agree, taken = [], []
    order = free[np.argsort(twin.onset[free], kind="stable")]
    places, used = twin.onset[order], np.zeros(len(order), bool)
    for indices in ornaments:
        begin = float(score.onset[indices[0]] + shift[indices[0]])
        end = begin if len(indices) == 1 else begin + float(score.onset[indices[-1]] - score.onset[indices[0]])
        low, high = np.searchsorted(places, [begin - ROOM, end + ROOM])
        pitches = score.notes.pitch[indices]
        near = np.arange(low, high)[np.isin(twin.notes.pitch[order[low:high]], pitches) & ~used[low:high]]
        if len(indices) == 1:
            near = near[np.argsort(np.abs(places[near] - begin), kind="stable")[:1]]
            same = len(near) > 0
        else:
            heard = twin.notes.pitch[order[near]]
            main = pitches[0] if int(score.marks[indices[0]]) & FREE == 0 else pitches[-1]
            begins = len(near) > 0 and abs(places[near[0]] - begin) <= ROOM
            same = begins and main in heard and len(near) > 1 and len(set(heard)) >= min(len(set(pitches)), 2)
        if same:
            used[near] = True
            taken += order[near].tolist()
        agree.append(bool(same))
    return agree, np.array(taken, np.int64)


def length(score: Score) -> float:
    """Quarters from the beginning to the last bar line."""
    return score.bars[-1].start + score.bars[-1].length


def _kind(score: Score, index: int) -> str:
    if score.grace[index]:
        return "grace note"
    marks = int(score.marks[index])
    for name, flags in (("ornament", ORNAMENT), ("tremolo", Mark.TREMOLO), ("arpeggio", Mark.ARPEGGIO)):
        if marks & flags:
            return name
    return "small note" if marks & Mark.SMALL else "plain note"


def _why_moved(score: Score, index: int) -> str:
    if score.grace[index]:
        return "moved: grace note"
    place = score.onset[index]
    with_it = (score.onset == place) & ~score.grace
    if np.any(score.marks[with_it] & Mark.ARPEGGIO):
        return "moved: arpeggio spread"
    bar = score.bar[index]
    graces = score.grace & (score.bar == bar) & (score.hand == score.hand[index])
    if np.any(graces & (score.onset < place) & (score.onset >= place - 1.5)):
        return "moved: after a grace note"
    return f"moved: {_kind(score, index)}"


def _why_added(score: Score, twin: Score, index: int) -> str:
    place, pitch = twin.onset[index], twin.notes.pitch[index]
    sounding = (score.onset <= place + NEAR / 2) & (score.onset + score.duration >= place - NEAR / 2)
    near = sounding & (np.abs(score.notes.pitch - pitch) <= 3)
    if np.any(score.marks[near] & ORNAMENT):
        return "ornament written out"
    if np.any(score.marks[sounding] & Mark.TREMOLO):
        return "tremolo written out"
    like = (np.abs(twin.onset - place) <= NEAR / 2) & (np.abs(twin.notes.pitch - pitch) <= 2)
    return "trill without a sign" if like.sum() >= TRILL and twin.duration[index] <= 1 / 4 else "plain note"


def table(found: list[Agreement], worst: int | None) -> str:
    """The pieces with the smallest share of equal notes, then the totals."""
    lines = [f"{'piece':52} {'split':10} {'score':>6} {'twin':>6} {'equal':>6} {'share':>7}  quarters; classes"]
    for one in sorted(found, key=lambda one: one.share)[:worst]:
        top = sorted(one.classes.items(), key=lambda item: -item[1])[:4]
        what = ", ".join(f"{count} {name}" for name, count in top)
        lines.append(
            f"{one.piece[-52:]:52} {one.split:10} {one.score:6} {one.twin:6} {one.equal:6} {one.share:7.2%}  "
            f"{one.bars[0]:g}/{one.bars[1]:g}; {what}"
        )
    for split in ("train", "validation", None):
        some = [one for one in found if split in (None, one.split)]
        if not some:
            continue
        equal, score, twin = (sum(getattr(one, name) for one in some) for name in ("equal", "score", "twin"))
        alike = [one for one in some if not one.other_repeats]
        all_equal = sum(one.equal + one.put_back + one.ornaments_equal for one in alike)
        all_notes = sum(one.score for one in alike)
        lines.append(
            f"{split or 'all'}, shifted bars put back, ornaments by main note, place and kind, "
            f"without {len(some) - len(alike)} pieces of other repeats: {all_equal} of {all_notes} "
            f"({all_equal / all_notes:.2%}); of {sum(one.ornaments for one in alike)} ornaments and notes that they "
            f"displace {sum(one.ornaments_equal for one in alike)}"
        )
        rest = "; of these "
        for name in ("same_ms", "same_length", "same_velocity"):
            rest += f"{name} {sum(getattr(one, name) for one in some) / max(equal, 1):.2%} "
        shares = [one.share for one in some]
        lines.append(
            f"{split or 'all'}: {len(some)} pieces, {equal} equal of {score} score notes ({equal / score:.2%}) and "
            f"{twin} twin notes ({equal / twin:.2%}), median piece {np.median(shares):.2%}, "
            f"{sum(share > 0.99 for share in shares)} above 99%{rest}"
        )
    classes: Counter[str] = Counter()
    for one in found:
        classes.update(one.classes)
    lines += [f"{count:7}  {name}" for name, count in classes.most_common()]
    return "\n".join(lines)


def main() -> None:
    """Read, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asap", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="all figures as JSON")
    parser.add_argument("--all", action="store_true", help="every piece, not only the worst 25")
    options = parser.parse_args()
    found = []
    for piece, split, xml, midi in pieces(options.asap):
        try:
            found.append(compare(piece, split, load(xml), load(midi)))
        except PianistError as error:
            print(f"not read: {error}")
    print(table(found, None if options.all else 25))
    if options.out:
        options.out.write_text(json.dumps([vars(one) for one in found], indent=1))


if __name__ == "__main__":
    main()
