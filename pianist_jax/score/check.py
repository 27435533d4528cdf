"""A score checks itself: what cannot be as it stands is named, with its bar, and never silently played."""

from __future__ import annotations

from pianist_jax.score.written import SHOWN, Written

SLACK = 0.05  # quarters; what rounding makes of tuplets is no fault


def sound_metres(written: Written) -> None:
    """Pass over time signatures that are none (4/0), in place, and note them."""
    for sign in written.times:
        if min(sign.value[:2]) <= 0:
            over, under = sign.value[:2]
            written.problem(f"a time signature of {over:g}/{under:g}: passed over", sign.bar)
    written.times = [sign for sign in written.times if min(sign.value[:2]) > 0]


def check(written: Written) -> None:
    """Note bars that do not fill their metre and keys that MIDI does not have among a score's problems, in place."""
    for sign in written.keys:
        if abs(sign.value[0]) > 7:
            count, kind = abs(round(sign.value[0])), "sharps" if sign.value[0] > 0 else "flats"
            written.problem(f"a key of {count} {kind}, for which MIDI gets the key that sounds the same", sign.bar)
    _check_lengths(written)


def _check_lengths(written: Written) -> None:
    """A bar may be short where a piece, a section or a repeat begins or ends, or the next bar makes up for it."""
    metres = {sign.bar: 4 * sign.value[0] / sign.value[1] for sign in written.times if sign.offset < SLACK}
    if 0 not in metres:
        return
    full = 0.0
    bars = written.bars
    nominal = []
    for index in range(len(bars)):
        full = metres.get(index, full)
        nominal.append(full)
    excused: set[int] = set()
    for index, bar in enumerate(bars):
        lacks = nominal[index] - bar.length
        if lacks > SLACK and index + 1 < len(bars) and abs(bars[index + 1].length - lacks) < SLACK:
            excused |= {index, index + 1}  # a bar that a line divides
    odd = []
    for index, bar in enumerate(bars):
        lacks = nominal[index] - bar.length
        edge = index in (0, len(bars) - 1) or _is_seam(written, index) or _is_seam(written, index + 1)
        if abs(lacks) <= SLACK or index in excused or (lacks > 0 and (edge or bar.divided)):
            continue
        odd.append(f"{bar.number} ({bar.length:.4g} of {nominal[index]:.4g} quarters)")
    if odd:
        more = f" and {len(odd) - SHOWN} more" * (len(odd) > SHOWN)
        written.problem(f"bars that do not fill their metre: {', '.join(odd[:SHOWN])}{more}")


def _is_seam(written: Written, index: int) -> bool:
    """Whether a section ends or begins before this bar."""
    if index >= len(written.bars):
        return True
    here, before = written.bars[index].jumps, written.bars[index - 1].jumps if index else None
    ends = before is not None and (before.repeat_end or before.fine or before.da_capo or before.dal_segno)
    brackets = before is not None and before.endings != here.endings
    return bool(here.repeat_start or ends or brackets or here.segno or here.coda)
