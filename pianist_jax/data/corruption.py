"""What training does to a window of notes, as pure functions of (values, key) that run inside the jitted step.

A window is int32 [B, N, 8] of 0-based values in the order of `tokens.SLOTS` (a pitch, ms, a velocity, ms, four pedal
values). Everything here is JAX, so that it runs on the accelerator and needs no worker processes. What becomes of a
row follows from its values, the key and its place in the batch alone, not from the other rows.
"""

from functools import partial

import jax
import jax.numpy as jnp

from pianist_jax.config import Augmentation, Masking
from pianist_jax.music.tokens import (
    DURATION,
    IOI,
    MASK,
    MAX_DURATION,
    MAX_IOI,
    METRE,
    PEDAL,
    PITCH,
    SLOT_START,
    VELOCITY,
)

CHORD = 35  # ms: onsets closer than this are taken for one chord of the score
STRAYS, ASTRAY = 24, 0.4
GAPS = (90.0, 1500.0)  # ms, within which the chords of retimed windows follow each other
FURTHEST = 2.0  # |log factor| by which a window may be retimed
RUBATO = 0.1  # |log| by which a window's tempo may differ from the whole performance's at one written tempo


def ids(values: jax.Array) -> jax.Array:
    """0-based values to token ids, [..., 8]."""
    return values + jnp.asarray(SLOT_START).reshape((1,) * (values.ndim - 1) + (-1,))


def forget(metre_BNC: jax.Array, key: jax.Array, share: float) -> jax.Array:
    """The metre of scores, of which a share lose it, and a share their hands: not every score tells them."""
    lost_BC = jax.random.uniform(key, (metre_BNC.shape[0], 2)) < share
    hand = (jnp.arange(metre_BNC.shape[-1]) == METRE.index("hand"))[None]
    lost = lost_BC[:, :1] | (lost_BC[:, 1:] & hand)
    return jnp.where(lost[:, None], 0, metre_BNC)


def unread(page_BNC: jax.Array, key: jax.Array, share: float) -> jax.Array:
    """The page of scores, of which a share lose all of it, and half as many each of its columns: MIDI has none."""
    k_all, k_each = jax.random.split(key)
    rows, _, columns = page_BNC.shape
    lost_BC = jax.random.uniform(k_all, (rows, 1)) < share
    lost_BC |= jax.random.uniform(k_each, (rows, columns)) < share / 2
    return jnp.where(lost_BC[:, None], 0, page_BNC)


def row_keys(key: jax.Array, rows: int) -> jax.Array:
    """A key for each row of a batch: row i gets the same one however many rows there are."""
    return jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(rows))


def jitter(values_BNS: jax.Array, coarse_B: jax.Array, key: jax.Array) -> jax.Array:
    """Spread what a transcription put on a coarse grid, in rows that are coarse (arXiv 2512.02652).

    Uniform integers are added to IOI and duration (-4…5 ms; a duration of exactly 10 ms: -9…5) and to velocity (-2…2;
    -4…2 at 5, -2…7 at 120), and kept in range.
    """
    moved = jax.vmap(_jittered)(values_BNS, row_keys(key, values_BNS.shape[0]))
    return jnp.where(coarse_B[:, None, None], moved, values_BNS)


def _jittered(values_NS: jax.Array, key: jax.Array) -> jax.Array:
    ioi, velocity, duration = (values_NS[:, slot] for slot in (IOI, VELOCITY, DURATION))
    ranges = (
        (IOI, jnp.full_like(ioi, -4), jnp.full_like(ioi, 5), 0, MAX_IOI),
        (DURATION, jnp.where(duration == 10, -9, -4), jnp.full_like(duration, 5), 1, MAX_DURATION),
        (VELOCITY, jnp.where(velocity == 5, -4, -2), jnp.where(velocity == 120, 7, 2), 1, 127),
    )
    for (slot, low, high, least, most), own in zip(ranges, jax.random.split(key, len(ranges)), strict=True):
        moved = values_NS[:, slot] + jax.random.randint(own, low.shape, low, high + 1)
        values_NS = values_NS.at[:, slot].set(jnp.clip(moved, least, most))
    return values_NS


def augment(
    windows: tuple[jax.Array, ...],
    mask_BN: jax.Array,
    key: jax.Array,
    settings: Augmentation,
    coarse_B: jax.Array | None = None,
) -> tuple[jax.Array, ...]:
    """Jitter, transpose, stretch and re-weigh windows of the same notes alike; the last one is the performance.

    Rows that are coarse are jittered. Velocities of the performance only are changed: a score's are its editor's.
    Pitches stay on the piano (21–108).
    """
    k_jitter, k_rest = jax.random.split(key)
    if coarse_B is not None:
        windows = (*windows[:-1], jitter(windows[-1], coarse_B, k_jitter))
    change = jax.vmap(partial(_augmented, settings=settings))
    return change(windows, mask_BN, row_keys(k_rest, mask_BN.shape[0]))


def anchor(
    score_BNS: jax.Array,
    performance_BNS: jax.Array,
    mask_BN: jax.Array,
    slowness_B: jax.Array | None,
    key: jax.Array | None = None,
    drift: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Scores at the tempo of their performances, [B, N, S], and what they are still off by, float32 [B].

    Editions are written at any tempo, often at 120 throughout; what is read here has the tempo of the whole performance
    (`slowness_B`: its time over the written one; without, that of the window), or where this window goes more than
    `RUBATO` slower or faster, as at a change of tempo that the score does not tell, that of the window but for as much.
    Given a key, the written tempo is off by a normally distributed logarithm of deviation `drift` besides. The second
    result is the logarithm of the window's performed time over the one that is now written.
    """
    log_own = jnp.log(_passed(performance_BNS, mask_BN) / _passed(score_BNS, mask_BN))
    log_factor = log_own
    if slowness_B is not None:
        log_factor -= jnp.clip(log_own - jnp.log(slowness_B), -RUBATO, RUBATO)
    phase_B = jnp.full(len(score_BNS), 0.5)
    if key is not None:
        k_drift, k_phase = jax.random.split(key)
        log_factor += drift * jax.random.normal(k_drift, log_factor.shape)
        phase_B = jax.random.uniform(k_phase, phase_B.shape)
    return jax.vmap(stretched)(score_BNS, jnp.exp(log_factor), phase_B), log_own - log_factor


def lose_tempo(performance_BNS: jax.Array, key: jax.Array, share: float) -> tuple[jax.Array, jax.Array]:
    """Performances of which a share lose their tempo now and then, and which notes are lost, bool [B, N].

    In every other stretch of about `STRAYS` notes all times are multiplied by e to a normal deviate of deviation
    `ASTRAY`. What comes behind is played as it was: whoever is given such a past learns to go back to what is written.
    Without it a decoder never sees how far its own playing may stray, and follows itself.
    """

    def stray(values_NS: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        k_row, k_begin, k_phase, k_far, k_round = jax.random.split(key, 5)
        notes = len(values_NS)
        stretch_N = jnp.cumsum(jax.random.uniform(k_begin, (notes,)) < 1 / STRAYS)
        lost_N = (stretch_N + jax.random.randint(k_phase, (), 0, 2)) % 2 == 0
        lost_N &= jax.random.uniform(k_row) < share
        factor_N = jnp.where(lost_N, jnp.exp(ASTRAY * jax.random.normal(k_far, (notes,))[stretch_N]), 1.0)
        times = values_NS[:, (IOI, DURATION)] * factor_N[:, None]
        times = jnp.floor(times + jnp.where(lost_N[:, None], jax.random.uniform(k_round, times.shape), 0.5))
        gap_N, duration_N = times.astype(jnp.int32).T
        gap_N = jnp.where(values_NS[:, IOI] == 0, 0, jnp.clip(gap_N, 1, MAX_IOI))
        strayed = values_NS.at[:, IOI].set(gap_N).at[:, DURATION].set(jnp.clip(duration_N, 1, MAX_DURATION))
        return strayed, lost_N

    return jax.vmap(stray)(performance_BNS, row_keys(key, len(performance_BNS)))


def _passed(values_BNS: jax.Array, mask_BN: jax.Array) -> jax.Array:
    """ms from the first to the last onset of windows, float32 [B], at least 1."""
    gap_BN = jnp.where(mask_BN, values_BNS[:, :, IOI], 0)[:, 1:]
    return jnp.maximum(jnp.sum(gap_BN, axis=1), 1).astype(jnp.float32)


def stretched(values_NS: jax.Array, factor: jax.Array, phase: jax.Array) -> jax.Array:
    """A window with its times multiplied, rounded at the onsets: even gaps stay even to the millisecond."""
    onset_N = jnp.floor(jnp.cumsum(values_NS[:, IOI]).astype(jnp.float32) * factor + phase).astype(jnp.int32)
    gap_N = jnp.diff(onset_N, prepend=0)
    gap_N = jnp.where(values_NS[:, IOI] == 0, 0, jnp.clip(gap_N, 1, MAX_IOI))
    duration_N = jnp.floor(values_NS[:, DURATION].astype(jnp.float32) * factor + phase).astype(jnp.int32)
    return values_NS.at[:, IOI].set(gap_N).at[:, DURATION].set(jnp.clip(duration_N, 1, MAX_DURATION))


def _any_tempo(window: jax.Array, mask_N: jax.Array, key: jax.Array) -> jax.Array:
    """A factor that makes the mean gap between the chords of a window anything in `GAPS`, by its logarithm."""
    gap_N = jnp.where(mask_N, window[:, IOI], 0)[1:]
    mean = jnp.sum(gap_N) / jnp.maximum(jnp.sum(gap_N >= CHORD), 1)
    low, high = jnp.log(GAPS[0]), jnp.log(GAPS[1])
    wanted = jax.random.uniform(key, minval=low, maxval=high)
    return jnp.exp(jnp.clip(wanted - jnp.log(jnp.maximum(mean, 1.0)), -FURTHEST, FURTHEST))


def _augmented(
    windows: tuple[jax.Array, ...], mask_N: jax.Array, key: jax.Array, settings: Augmentation
) -> tuple[jax.Array, ...]:
    k_shift, k_tempo, k_velocity, k_round = jax.random.split(key, 4)
    k_chosen, k_any = jax.random.split(jax.random.fold_in(k_tempo, 1))
    pitch_N = windows[0][:, PITCH]
    lowest = jnp.min(jnp.where(mask_N, pitch_N, 127))
    highest = jnp.max(jnp.where(mask_N, pitch_N, 0))
    shift = jax.random.randint(k_shift, (), -settings.transpose, max(settings.transpose, 1))
    shift = jnp.clip(shift, jnp.minimum(0, 21 - lowest), jnp.maximum(0, 108 - highest))
    factor = jnp.exp(jax.random.uniform(k_tempo, minval=-settings.tempo, maxval=settings.tempo))
    if settings.retimed:
        any_tempo = _any_tempo(windows[-1], mask_N, k_any)
        factor = jnp.where(jax.random.uniform(k_chosen) < settings.retimed, any_tempo, factor)
    loudness = jnp.exp(jax.random.uniform(k_velocity, minval=-settings.velocity, maxval=settings.velocity))
    changed = []
    for place, window in enumerate(windows):
        dither = jax.random.uniform(jax.random.fold_in(k_round, place), (len(window), 2))
        times = window[:, (IOI, DURATION)] * factor
        times = jnp.floor(times + jnp.where(settings.tempo > 0, dither, 0.5)).astype(jnp.int32)
        velocity = window[:, VELOCITY]
        if place == len(windows) - 1:
            velocity = jnp.clip(jnp.round(velocity * loudness).astype(jnp.int32), 1, 127)
        changed.append(
            window.at[:, PITCH]
            .set(jnp.clip(window[:, PITCH] + shift, 0, 127))
            .at[:, IOI]
            .set(jnp.where(window[:, IOI] == 0, 0, jnp.clip(times[:, 0], 1, MAX_IOI)))
            .at[:, DURATION]
            .set(jnp.clip(times[:, 1], 1, MAX_DURATION))
            .at[:, VELOCITY]
            .set(velocity)
        )
    return tuple(changed)


def hide(
    values_BNS: jax.Array, has_pedal_B: jax.Array, expressive_B: jax.Array, key: jax.Array, settings: Masking
) -> tuple[jax.Array, jax.Array]:
    """The encoder's view of performances for pre-training, and which slots are to be recovered.

    Returns ids int32 [B, N, 8] and bool [B, N, 8]. Rows without a pedal have their pedal slots masked and never
    scored; rows that are not expressive (quantised scores) are never made deadpan.
    """
    k_mask, k_dead, k_choice = (row_keys(own, values_BNS.shape[0]) for own in jax.random.split(key, 3))
    masked_BNS = jax.vmap(partial(_masked, settings=settings))(values_BNS, k_mask)
    deadpan_B = expressive_B & (jax.vmap(jax.random.uniform)(k_choice) < settings.deadpan)
    everything = (jnp.arange(8) != PITCH) | settings.pitch
    choose = deadpan_B[:, None, None]
    written_BNS = ids(jax.vmap(deadpan)(values_BNS, k_dead))
    seen = jnp.where(choose, written_BNS, jnp.where(masked_BNS, MASK, ids(values_BNS)))
    scored = jnp.where(choose, everything[None, None], masked_BNS)
    no_pedal = untold(has_pedal_B)
    return jnp.where(no_pedal, MASK, seen), scored & ~no_pedal


def untold(has_pedal_B: jax.Array) -> jax.Array:
    """The slots that mean nothing in rows without a pedal, bool [B, 1, 8]."""
    return ~has_pedal_B[:, None, None] & (jnp.arange(8) >= PEDAL)[None, None]


def _masked(values_NS: jax.Array, key: jax.Array, settings: Masking) -> jax.Array:
    """Which tokens of a window are masked, bool [N, 8]: each unit by itself, and in some windows whole fields."""
    k_ratio, k_unit, k_rows, k_field, k_phase = jax.random.split(key, 5)
    ratio = jax.random.uniform(k_ratio, minval=settings.low, maxval=settings.high)
    place_N = jnp.arange(len(values_NS))
    if settings.unit == "token":
        chance_NS = jax.random.uniform(k_unit, values_NS.shape)
    elif settings.unit == "note":
        chance_NS = jax.random.uniform(k_unit, (len(values_NS), 1))
    else:
        span_N = (place_N + jax.random.randint(k_phase, (), 0, settings.span)) // settings.span
        chance_NS = jax.random.uniform(k_unit, (len(values_NS) + 1, 1))[span_N]
    fields = jax.random.uniform(k_field, (5,)) < settings.field
    fields &= jax.random.uniform(k_rows) < settings.fields
    slot_field = jnp.asarray([0, 1, 2, 3, 4, 4, 4, 4])  # the four pedal slots are one field
    whole = fields[slot_field] & (jnp.arange(8) != PITCH)
    return ((chance_NS < ratio) & ((jnp.arange(8) != PITCH) | settings.pitch)[None]) | whole[None]


def deadpan(values_NS: jax.Array, key: jax.Array) -> jax.Array:
    """An invented score, [N, 8], of which the performance could be a rendering.

    Near-simultaneous onsets become chords, times are bent by a slowly wandering tempo and put on a grid, dynamics
    become even or coarse, the pedal is let go. What a score would not tell has to be recovered from the music.
    """
    count = len(values_NS)
    keys = jax.random.split(key, 6)
    level = 0.3 * jax.random.normal(keys[0])
    wander = jnp.cumsum(0.03 * jax.random.normal(keys[1], (count,)))
    bend = jnp.exp(level + jnp.clip(wander, -0.7, 0.7))
    grid = jnp.exp(jax.random.uniform(keys[2], minval=jnp.log(25.0), maxval=jnp.log(150.0)))
    gap = values_NS[:, IOI].astype(jnp.float32)
    placed = jnp.maximum(jnp.round(gap * bend / grid), 1.0) * grid
    gap = jnp.where(gap < CHORD, 0.0, placed)
    k_all, k_each = jax.random.split(keys[3])
    articulation = jnp.exp(0.2 * jax.random.normal(k_all) + 0.2 * jax.random.normal(k_each, (count,)))
    duration = values_NS[:, DURATION] * bend * articulation
    duration = jnp.maximum(jnp.round(duration / grid), 1.0) * grid
    velocity = values_NS[:, VELOCITY]
    coarse = jnp.clip((velocity + 12) // 24 * 24, 20, 110)
    even = jnp.broadcast_to(jax.random.randint(keys[4], (), 50, 100), velocity.shape)
    velocity = jnp.where(jax.random.uniform(keys[5]) < 0.7, even, coarse)
    times = [jnp.clip(jnp.round(x), low, high) for x, low, high in ((gap, 0, MAX_IOI), (duration, 1, MAX_DURATION))]
    return (
        values_NS.at[:, IOI]
        .set(times[0].astype(jnp.int32))
        .at[:, DURATION]
        .set(times[1].astype(jnp.int32))
        .at[:, VELOCITY]
        .set(velocity)
        .at[:, PEDAL:]
        .set(0)
    )
