"""Frozen settings of the model, with named presets. Plain data: nothing here imports JAX."""

import dataclasses
import difflib
import math
from typing import Any

from pianist_jax.errors import PianistError


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Sizes of an encoder and a decoder (arXiv 2512.02652, section 3.2; `decoder="note"` is this project's own).

    `window` is counted in notes. `query_scale` multiplies the attention scores; the published models use 256^-1/2
    whatever their head size. `compressed` folds the 8 tokens of a note into one encoder position. `decoder` is
    "token" (8 causal steps a note) or "note" (one causal step a note, then a small head over its slots: the `head`,
    "cascade" or what an experiment has in its place, experiments.MODULE:CLASS).
    `metre` adds to each note where it stands in bar, beat, hand, chord and piece, as far as the score tells.
    `anchored` says that it was trained on scores at the tempo of their performances, so that it keeps what is written.
    `consensus` is the width of a head that predicts what pianists agree on, a multiple of 64; 0: there is none. It
    reads the `page`, or does not: dynamics, slurs, signs, lengths. The mean of `consensus_heads` is taken.
    `attention` is "xla", "cudnn" (flash attention on NVIDIA GPUs) or "flash" (on TPUs). Parameters are float32,
    `dtype` is the dtype of the arithmetic. `remat` computes blocks again for the gradient, to save memory, but for
    what `remat_keeps`: "nothing", or the results of linear maps ("dots").
    """

    width: int = 768
    feed_forward: int = 3072
    heads: int = 8
    kv_heads: int = 4
    head_size: int = 128
    encoder_layers: int = 10
    decoder_layers: int = 2
    window: int = 512
    query_scale: float = 256**-0.5
    decoder: str = "token"
    head: str = "cascade"
    compressed: bool = True
    cross_attention: bool = True
    metre: bool = False
    anchored: bool = False
    consensus: int = 0
    consensus_heads: int = 1
    page: bool = False
    dropout: float = 0.0
    dtype: str = "float32"
    attention: str = "xla"
    remat: bool = False
    remat_keeps: str = "nothing"

    def __post_init__(self) -> None:
        for name in [each.name for each in dataclasses.fields(self) if type(each.default) is int and each.default]:
            most = 1000 if name.endswith("layers") else 10**6
            if not 1 <= getattr(self, name) <= most:
                raise PianistError(f"{name} is {getattr(self, name)}, but it must be from 1 to {most}")
        if self.decoder not in ("token", "note"):
            raise PianistError(f'decoder is "{self.decoder}", but it must be "token" or "note"')
        if self.head != "cascade" and not (self.decoder == "note" and self.head.startswith("experiments.")):
            raise PianistError(f'head is "{self.head}", but it must be "cascade" or experiments.MODULE:CLASS, of notes')
        if self.decoder == "note" and not self.compressed:
            raise PianistError("the note decoder needs a compressed encoder: set compressed=true")
        if (self.metre or self.consensus) and not self.compressed:
            raise PianistError("metre and consensus are told note by note: set compressed=true")
        if self.consensus < 0 or self.consensus % 64:
            raise PianistError(f"consensus is {self.consensus}, but it must be 0 or a multiple of 64")
        if self.page and not self.consensus:
            raise PianistError("the page is read by the consensus: set consensus besides, or page=false")
        if self.remat_keeps not in ("nothing", "dots"):
            raise PianistError(f'remat_keeps is "{self.remat_keeps}", but it must be "nothing" or "dots"')
        if self.heads % self.kv_heads:
            raise PianistError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")


def _note(width: int, feed_forward: int, heads: int, encoder_layers: int, decoder_layers: int) -> ModelConfig:
    """A note-decoder model with heads of 64 and half as many key/value heads."""
    return ModelConfig(
        width=width, feed_forward=feed_forward, heads=heads, kv_heads=heads // 2, head_size=64,
        encoder_layers=encoder_layers, decoder_layers=decoder_layers, query_scale=64**-0.5,
        decoder="note", cross_attention=False,
    )  # fmt: skip


PRESETS: dict[str, ModelConfig] = {
    "tiny": ModelConfig(width=16, feed_forward=32, heads=4, kv_heads=2, head_size=8, encoder_layers=3),
    "15m": ModelConfig(width=192, feed_forward=768),
    "65m": ModelConfig(width=512, feed_forward=2048),
    "135m": ModelConfig(),
    "135m-6-6": ModelConfig(encoder_layers=6, decoder_layers=6),
    "note-tiny": _note(32, 64, 2, 2, 2),
    "note-small": _note(384, 1536, 6, 6, 3),
    "note-65m": _note(640, 2048, 10, 7, 4),
    "note-135m": _note(896, 3072, 14, 8, 4),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Ranges of random changes to whole windows, the same for score and performance; 0 turns one off.

    `transpose` in semitones: 6 draws one of twelve keys, -6…+5. `tempo` and `velocity` are the largest |log factor|.
    A share `retimed` of the windows is brought to any tempo, however quick its notes are (`corruption.GAPS`), so that
    the texture does not tell the tempo.
    `forget` is the share of scores that lose their metre, and of those that lose the hands; `unread` the page.

    With `anchored` a score comes at the tempo of its performance (`corruption.anchor`), so that the model learns to
    trust it; `drift` is the standard deviation of what it is off by, as a logarithm. A share `lost` of the performances
    lose their tempo now and then (`corruption.lose_tempo`), so that the decoder learns to find back to what is written.
    """

    transpose: int = 0
    tempo: float = 0.22
    velocity: float = 0.1
    forget: float = 0.1
    unread: float = 0.3
    retimed: float = 0.0
    anchored: bool = False
    drift: float = 0.05
    lost: float = 0.0


@dataclasses.dataclass(frozen=True)
class Mixture:
    """What is fine-tuned on beside the pairs as they are: shares of all windows.

    `thinned`: pairs of which a part is played, one hand or the melody alone (`data.thinning`). `invented`: performances
    of the exported pieces with an invented score (`data.invention`). `pop` is the share of the pairs, thinned or not,
    that comes from POP909.
    """

    thinned: float = 0.0
    invented: float = 0.0
    pop: float = 0.0

    def __post_init__(self) -> None:
        if min(self.thinned, self.invented, self.pop) < 0 or self.thinned + self.invented >= 1 or self.pop >= 1:
            raise PianistError(f"shares of a mixture must lie from 0 to below 1, and so their sum: {self}")


@dataclasses.dataclass(frozen=True)
class Masking:
    """How pre-training hides notes from the encoder.

    Each `unit` ("token", "note", or "span" of `span` notes) is masked by itself, with a ratio drawn for each window
    from `low` to `high`. In a share `fields` of the windows each field but pitch is also hidden throughout with
    probability `field`; a share `deadpan` of the windows is not masked but made into an invented score: even dynamics,
    no pedal, a coarse grid, a wandering tempo. Pitch is masked only if `pitch` is set: in rendering it is always known.
    The paper's own masking (arXiv 2512.02652) is
    Masking(low=0.3, high=0.3, fields=0, deadpan=0, pitch=True).
    """

    low: float = 0.15
    high: float = 0.6
    fields: float = 0.5
    field: float = 0.4
    deadpan: float = 0.5
    pitch: bool = False
    unit: str = "token"
    span: int = 8

    def __post_init__(self) -> None:
        if self.unit not in ("token", "note", "span"):
            raise PianistError(f'masking.unit is "{self.unit}", but it must be "token", "note" or "span"')
        if self.span < 1:
            raise PianistError(f"masking.span is {self.span}, but it must be at least 1")
        if not 0 <= self.low <= self.high <= 1:
            raise PianistError(f"masking goes from {self.low} to {self.high}, but must rise within 0 and 1")


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """How devices are laid out: `data` × `fsdp` × `tensor` in each slice, and `slices` joined by a slower network.

    Batches are divided over data and fsdp, weights and optimizer over fsdp (gathered where they are used) and tensor
    (heads and feed-forward). `data` = -1 takes all devices that are left, so that the same setting serves any number.
    """

    data: int = -1
    fsdp: int = 1
    tensor: int = 1
    slices: int = 1

    def __post_init__(self) -> None:
        for name in ("data", "fsdp", "tensor", "slices"):
            if getattr(self, name) < 1 and (name, getattr(self, name)) != ("data", -1):
                raise PianistError(f"mesh.{name} is {getattr(self, name)}, but it must be at least 1 (data: or -1)")


MESHES: dict[str, MeshConfig] = {
    "one": MeshConfig(data=1),
    "all": MeshConfig(),
    "cpu-8": MeshConfig(data=2, fsdp=2, tensor=2),  # eight virtual devices: every axis is exercised
    "gpu-8": MeshConfig(fsdp=8),
    "v5e-16": MeshConfig(fsdp=4),
    "v5e-256": MeshConfig(fsdp=4),
    "v5p-128": MeshConfig(fsdp=4),
    "v6e-64": MeshConfig(fsdp=4),
    "v5e-256x4": MeshConfig(fsdp=4, slices=4),
}


OPTIMIZERS = ("adamw", "muon", "schedule-free")
SCHEDULES = ("cosine", "stable")
TASKS = ("pretrain", "finetune", "consensus")  # stages of training, each upon the one before


@dataclasses.dataclass(frozen=True)
class Sampling:
    """How performed values are drawn.

    `temperature` 0 takes the likeliest cell and its middle. `top_p` keeps the fewest cells that hold so much of the
    probability, `top_k` so many cells at most (0: all); cells as likely as the last one kept are kept too. Both act
    on times and velocities; the pedal has a `pedal_top_p` of its own, by default 1: it has two states, and where
    little pedal is likely, top-p would mean none at all.

    So many `draws` are made of a score, and what they and the model's consensus agree on is played, with the residual
    of a single one, which is how it differs from that, times `residual_scale` (`performance.averaging`): with 1 each
    performance is played as it was drawn. A learnt `hand` strikes its chords (`performance.chord_touch`) or a rule does
    (`voicing`); a `foot` moves the pedal at pianists' pace (`performance.foot`) or as drawn. Raises PianistError.
    """

    temperature: float = 1.0
    top_p: float = 0.98
    top_k: int = 0
    pedal_top_p: float = 1.0
    draws: int = 1
    residual_scale: float = 0.45
    hand: bool = True
    foot: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise PianistError(f"the temperature is {self.temperature}, but it must be 0 or more")
        for name in ("top_p", "pedal_top_p"):
            if not 0 < getattr(self, name) <= 1:
                raise PianistError(f"{name} is {getattr(self, name)}, but it must be above 0 and at most 1")
        if self.top_k < 0:
            raise PianistError(f"top_k is {self.top_k}, but it must be 0 (no limit) or more")
        if self.draws < 1:
            raise PianistError(f"draws is {self.draws}, but it must be 1 (the performance alone) or more")
        if not 0 <= self.residual_scale <= 1:
            raise PianistError(f"residual_scale is {self.residual_scale}, but it must lie from 0 to 1")

    @property
    def averaged(self) -> int:
        """How many draws a performance is made of: at temperature 0 all would be the same."""
        return self.draws if self.temperature > 0 and self.residual_scale < 1 else 1


DEFAULT_SAMPLING = Sampling()


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """One run of training.

    `steps` of `batch` windows of `window` notes, taken by an `optimizer` ("adamw", "muon", "schedule-free"); the
    learning rate warms up for `warmup` steps and falls to `final_lr_ratio` of its peak along a cosine or, with the
    `schedule` "stable", in the last `decay_share` of the steps (`training.optimizer.learning_rate`). Gradients longer
    than `grad_clip_norm` are shortened to it. `pedal_weight` scales the loss of the four pedal slots. In fine-tuning
    `consensus_weight` times the squared error of the consensus is learnt from besides (0: it is learnt afterwards, upon
    a model that stays). Every `log_every` steps the run logs, every `evaluate_every` it measures the validation loss,
    saves and logs, every `sample_every` (0: never) it performs a score.

    `packed` fills every place of a streamed batch, with several pieces to a row where they are short.
    `accumulate` divides a batch into so many parts run one after the other. `ema_decay` is the decay of a running
    mean of the weights, which validation and export then use (0: none). A step whose gradient is more than
    `skip_grad_ratio` times as long as usual is skipped (0: never). The last `keep` checkpoints stay, the best by
    validation loss, and one every `keep_every` steps, a multiple of `evaluate_every` (0: none).
    """

    model: ModelConfig = PRESETS["note-small"]
    task: str = "pretrain"
    batch: int = 64
    window: int = 512
    steps: int = 10_000
    warmup: int = 500
    optimizer: str = "adamw"
    schedule: str = "cosine"
    decay_share: float = 0.2
    learning_rate: float = 1e-3
    final_lr_ratio: float = 0.05
    beta2: float = 0.98
    weight_decay: float = 0.05
    grad_clip_norm: float = 1.0
    pedal_weight: float = 1.0
    consensus_weight: float = 0.0
    seed: int = 0
    log_every: int = 50
    evaluate_every: int = 500
    validation_batches: int = 8
    sample_every: int = 0
    accumulate: int = 1
    packed: bool = False
    ema_decay: float = 0.0
    skip_grad_ratio: float = 10.0
    keep: int = 2
    keep_every: int = 0
    augmentation: Augmentation = Augmentation()
    masking: Masking = Masking()
    mixture: Mixture = Mixture()
    mesh: MeshConfig = MeshConfig()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise PianistError(f'task is "{self.task}", but it must be one of {", ".join(TASKS)}')
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise PianistError(f'{name} is "{getattr(self, name)}", but it must be one of {", ".join(known)}')
        if not 0 < self.decay_share <= 1:
            raise PianistError(f"decay_share is {self.decay_share}, but it must be above 0 and at most 1")
        if self.optimizer == "schedule-free" and self.ema_decay:
            raise PianistError("a schedule-free optimizer keeps a mean of its own: set ema_decay=0")
        if self.task == "consensus" and not self.model.consensus:
            raise PianistError("the model has no head to learn the consensus: set model.consensus=64")
        if self.consensus_weight and (self.task != "finetune" or not self.model.consensus):
            raise PianistError(
                "consensus_weight belongs to fine-tuning a model with a consensus: set model.consensus=64"
            )
        counts = ("batch", "window", "steps", "log_every", "evaluate_every", "validation_batches", "accumulate", "keep")
        for name in counts:
            if getattr(self, name) < 1:
                raise PianistError(f"{name} is {getattr(self, name)}, but it must be at least 1")
        if self.keep_every % self.evaluate_every:
            raise PianistError(
                f"keep_every ({self.keep_every}) must be a multiple of evaluate_every ({self.evaluate_every}), when "
                "checkpoints are made"
            )
        if self.packed and self.augmentation.anchored:
            raise PianistError("pieces of one row have no one tempo: set packed=false or augmentation.anchored=false")
        if self.batch % self.accumulate:
            raise PianistError(f"batch ({self.batch}) must be a multiple of accumulate ({self.accumulate})")
        if not 0 <= self.ema_decay < 1:
            raise PianistError(f"ema_decay is {self.ema_decay}, but it must lie from 0 to less than 1")

    @property
    def stretch(self) -> int:
        """How many steps are made in one go, between looks at the clock: what divides every interval."""
        return math.gcd(self.log_every, self.evaluate_every, self.sample_every)


def preset(name: str) -> ModelConfig:
    """The preset of a model called `name`. Raises PianistError that names the nearest one."""
    return _named(name, PRESETS, "model preset")


def mesh_preset(name: str) -> MeshConfig:
    """The mesh of a kind of machine. Raises PianistError that names the nearest one."""
    return _named(name, MESHES, "mesh")


def _named(name: str, presets: dict[str, Any], what: str) -> Any:
    if name not in presets:
        near = difflib.get_close_matches(name, presets, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else f"; there are {', '.join(presets)}"
        raise PianistError(f'no {what} is called "{name}"{hint}')
    return presets[name]
