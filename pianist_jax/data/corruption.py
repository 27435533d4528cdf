"""What training does to a window of notes, as pure functions of (values, key) that run inside the jitted step.

A window is int32 [B, N, 8] of 0-based values in the order of `tokens.SLOTS` (a pitch, ms, a velocity, ms, four pedal
values). Everything here is JAX, so that it runs on the accelerator and needs no worker processes.
"""

import jax
import jax.numpy as jnp

from pianist_jax.config import Augmentation, Masking
from pianist_jax.music.tokens import MASK, MAX_DURATION, MAX_IOI, SLOT_START, SLOTS

PITCH, IOI, VELOCITY, DURATION = (SLOTS.index(name) for name in ("pitch", "ioi", "velocity", "duration"))
PEDAL = SLOTS.index("pedal1")  # the first of four
CHORD = 35  # ms: onsets closer than this are taken for one chord of the score


def ids(values: jax.Array) -> jax.Array:
    """0-based values to token ids, [..., 8]."""
    return values + jnp.asarray(SLOT_START, jnp.int32).reshape((1,) * (values.ndim - 1) + (-1,))


def augment(
    windows: tuple[jax.Array, ...], mask_BN: jax.Array, key: jax.Array, settings: Augmentation
) -> tuple[jax.Array, ...]:
    """Transpose, stretch and re-weigh windows of the same notes alike; the last one is the performance.

    Velocities of the performance only are changed: a score's are its editor's. Pitches stay on the piano (21–108).
    """
    rows = windows[0].shape[0]
    k_shift, k_tempo, k_velocity, k_round = jax.random.split(key, 4)
    pitch = windows[0][..., PITCH]
    lowest = jnp.min(jnp.where(mask_BN, pitch, 127), axis=1)
    highest = jnp.max(jnp.where(mask_BN, pitch, 0), axis=1)
    shift = jax.random.randint(k_shift, (rows,), -settings.transpose, settings.transpose + 1)
    shift = jnp.clip(shift, jnp.minimum(0, 21 - lowest), jnp.maximum(0, 108 - highest))
    factor = jnp.exp(jax.random.uniform(k_tempo, (rows,), minval=-settings.tempo, maxval=settings.tempo))
    loudness = jnp.exp(
        jax.random.uniform(k_velocity, (rows,), minval=-settings.velocity, maxval=settings.velocity)
    )
    changed = []
    for place, window in enumerate(windows):
        dither = jax.random.uniform(jax.random.fold_in(k_round, place), (*window.shape[:2], 2))
        times = window[..., (IOI, DURATION)] * factor[:, None, None]
        times = jnp.floor(times + jnp.where(settings.tempo > 0, dither, 0.5)).astype(jnp.int32)
        velocity = window[..., VELOCITY]
        if place == len(windows) - 1:
            velocity = jnp.clip(jnp.round(velocity * loudness[:, None]).astype(jnp.int32), 1, 127)
        changed.append(
            window.at[..., PITCH]
            .set(jnp.clip(window[..., PITCH] + shift[:, None], 0, 127))
            .at[..., IOI]
            .set(jnp.where(window[..., IOI] == 0, 0, jnp.clip(times[..., 0], 1, MAX_IOI)))
            .at[..., DURATION]
            .set(jnp.clip(times[..., 1], 1, MAX_DURATION))
            .at[..., VELOCITY]
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
    k_mask, k_dead, k_choice = jax.random.split(key, 3)
    masked_BNS = _masked(values_BNS, k_mask, settings)
    deadpan_B = expressive_B & (jax.random.uniform(k_choice, has_pedal_B.shape) < settings.deadpan)
    everything = (jnp.arange(8) != PITCH) | settings.pitch
    choose = deadpan_B[:, None, None]
    seen = jnp.where(choose, ids(deadpan(values_BNS, k_dead)), jnp.where(masked_BNS, MASK, ids(values_BNS)))
    scored = jnp.where(choose, everything[None, None], masked_BNS)
    no_pedal = untold(has_pedal_B)
    return jnp.where(no_pedal, MASK, seen), scored & ~no_pedal


def untold(has_pedal_B: jax.Array) -> jax.Array:
    """The slots that mean nothing in rows without a pedal, bool [B, 1, 8]."""
    return ~has_pedal_B[:, None, None] & (jnp.arange(8) >= PEDAL)[None, None]


def _masked(values_BNS: jax.Array, key: jax.Array, settings: Masking) -> jax.Array:
    """Which tokens are masked: independently, and in some windows whole fields."""
    rows = values_BNS.shape[0]
    k_ratio, k_token, k_rows, k_field = jax.random.split(key, 4)
    low, high = settings.low, settings.high
    ratio = jax.random.uniform(k_ratio, (rows, 1, 1), minval=low, maxval=high)
    tokens = jax.random.uniform(k_token, values_BNS.shape) < ratio
    fields = jax.random.uniform(k_field, (rows, 5)) < settings.field
    fields &= (jax.random.uniform(k_rows, (rows,)) < settings.fields)[:, None]
    slot_field = jnp.asarray([0, 1, 2, 3, 4, 4, 4, 4])  # the four pedal slots are one field
    whole = fields[:, slot_field] & (jnp.arange(8) != PITCH)[None]
    return (tokens & ((jnp.arange(8) != PITCH) | settings.pitch)[None, None]) | whole[:, None]


def deadpan(values_BNS: jax.Array, key: jax.Array) -> jax.Array:
    """An invented score of which the performance could be a rendering.

    Near-simultaneous onsets become chords, times are bent by a slowly wandering tempo and put on a grid, dynamics
    become even or coarse, the pedal is let go. What a score would not tell has to be recovered from the music.
    """
    rows, count = values_BNS.shape[:2]
    keys = jax.random.split(key, 8)
    level = 0.3 * jax.random.normal(keys[0], (rows, 1))
    wander = jnp.cumsum(0.03 * jax.random.normal(keys[1], (rows, count)), axis=1)
    bend = jnp.exp(level + jnp.clip(wander, -0.7, 0.7))
    grid = jnp.exp(jax.random.uniform(keys[2], (rows, 1), minval=jnp.log(25.0), maxval=jnp.log(150.0)))
    gap = values_BNS[..., IOI].astype(jnp.float32)
    placed = jnp.maximum(jnp.round(gap * bend / grid), 1.0) * grid
    gap = jnp.where(gap < CHORD, 0.0, placed)
    articulation = jnp.exp(
        0.2 * jax.random.normal(keys[3], (rows, 1)) + 0.2 * jax.random.normal(keys[4], gap.shape)
    )
    duration = values_BNS[..., DURATION] * bend * articulation
    duration = jnp.maximum(jnp.round(duration / grid), 1.0) * grid
    velocity = values_BNS[..., VELOCITY]
    coarse = jnp.clip((velocity + 12) // 24 * 24, 20, 110)
    even = jnp.broadcast_to(jax.random.randint(keys[5], (rows, 1), 50, 100), velocity.shape)
    velocity = jnp.where(jax.random.uniform(keys[6], (rows, 1)) < 0.7, even, coarse)
    times = [
        jnp.clip(jnp.round(x), low, high) for x, low, high in ((gap, 0, MAX_IOI), (duration, 1, MAX_DURATION))
    ]
    return (
        values_BNS.at[..., IOI]
        .set(times[0].astype(jnp.int32))
        .at[..., DURATION]
        .set(times[1].astype(jnp.int32))
        .at[..., VELOCITY]
        .set(velocity)
        .at[..., PEDAL:]
        .set(0)
    )
