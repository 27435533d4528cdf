"""Decoding the windows of many performances side by side, with programs that are chosen by what they cost."""

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from pianist_jax.config import Sampling
from pianist_jax.inference.decode import BLOCK, CHUNK
from pianist_jax.inference.engine import Model
from pianist_jax.inference.padding import encoded_once, pad_batch
from pianist_jax.inference.programs import ProgramKey, divided
from pianist_jax.inference.sampling import knobs_of
from pianist_jax.inference.steady import Clock, expected_gaps, gaps_of, times_until
from pianist_jax.inference.windows import Span
from pianist_jax.model.sizes import num_params
from pianist_jax.music.tokens import NOTE_TOKENS

LENGTHS = (64, 128, 256, 384, 512)  # notes that the caches of a program have room for
# What decides whether another program is worth its compilation; only the time depends on them.
COMPILE_SECONDS, CPU_FLOPS, ACCELERATOR_FLOPS = 4.0, 4e10, 4e13
STEP_SECONDS = 3e-3  # of a note on an accelerator at least, however few rows
CACHE_SLOWNESS = 5  # reading a cache takes so much longer than its operations
REACH = 128  # caches have room for a multiple of so many notes


@dataclasses.dataclass
class Timer:
    """Seconds spent on compiling and on performing, and notes performed for good."""

    compile_seconds: float = 0.0
    perform_seconds: float = 0.0
    notes: int = 0


@dataclasses.dataclass
class Chooser:
    """Chooses a program: where one that is compiled already serves, if more slowly, the time lost is added up.

    The right one is taken, to be compiled, when it would have paid.
    """

    lost: dict[ProgramKey, float] = dataclasses.field(default_factory=lambda: defaultdict(float))

    def choose(
        self, ideal: ProgramKey, ready: Iterable[ProgramKey], seconds: Callable[[ProgramKey], float]
    ) -> ProgramKey:
        """The ideal program, or that of the `ready` ones that takes the fewest `seconds`."""
        ready = set(ready)
        if ideal in ready or not ready:
            return ideal
        best = min(ready, key=lambda key: (seconds(key), key.rows, key.notes, key.reach, key.scores))
        return ideal if self.has_paid(ideal, seconds(best) - seconds(ideal)) else best

    def has_paid(self, key: ProgramKey, seconds: float) -> bool:
        """Whether compiling a program would have paid, now that so many more seconds are lost without it."""
        self.lost[key] += seconds
        return self.lost[key] > COMPILE_SECONDS


@dataclasses.dataclass
class Decoder:
    """Plays spans side by side. `advance` is told of every so many notes that are now final, `on_notes` of a span and
    its notes that are, tokens int32 [n, 8], `CHUNK` after `CHUNK`.

    Before them `on_prediction` is told what the model predicts of a span: curves float32 [N, 4], [N, 8] where it reads
    the page (`Pianist.read`), [N, 0] where it has no consensus, and the encoder's states of its notes, [N, D] or
    [N, 0].
    """

    model: Model
    sampling: Sampling
    timer: Timer
    advance: Callable[[int], None] | None = None
    on_prediction: Callable[[Span, np.ndarray, np.ndarray], None] | None = None
    on_notes: Callable[[Span, np.ndarray], None] | None = None
    chooser: Chooser = dataclasses.field(default_factory=Chooser)

    def play(self, spans: list[Span]) -> list[np.ndarray]:
        """Performed tokens int32 [N, 8] of each span, prompt included. All prompts are equally long."""
        notes, prompt = max(span.score.size for span in spans), len(spans[0].prompt)
        if any(len(span.prompt) != prompt for span in spans):
            raise ValueError("spans side by side need prompts of one length")
        began, compiled = time.perf_counter(), self.timer.compile_seconds
        key = self.choose_size(len(spans), notes, spans[0].score.groups)
        batch = pad_batch(spans, key.rows, key.notes, anchored=self.model.config.anchored)
        behind = prompt if self._takes_in(key, prompt) else 0
        reach = self._choose_reach(key, behind + CHUNK, _reach(key.notes, -(-behind // BLOCK) * BLOCK))
        kind = "follow" if behind else "start"
        distinct = int(batch["score_of_row"].max()) + 1
        start = self._choose_scores(dataclasses.replace(key, kind=kind, reach=reach), distinct)
        known = (batch["prompt"], np.int32(behind)) if behind else ()
        scores = encoded_once(batch, start.scores)
        carry, told_SNC = self._program(start)(self.model.params, *scores, *known)
        played = [batch["prompt"][:, :behind]]
        if self.model.config.consensus or self.on_prediction is not None:
            self._foretell(spans, scores[2], np.asarray(told_SNC), batch["expected"])
        knobs = knobs_of(self.sampling, steady=self.model.config.anchored)
        for n in range(behind, notes, CHUNK):
            wanted = self._choose_reach(key, n + CHUNK, reach) if n > behind else reach
            if wanted != reach:
                grow = dataclasses.replace(key, kind="grow", reach=reach, grown=wanted)
                carry, reach = self._program(grow)(carry), wanted
            low, high = (batch[name][:, n : n + CHUNK] for name in ("low", "high"))
            play = self._program(dataclasses.replace(key, reach=reach))
            first, expected = batch["first"] + np.int32(n), batch["expected"]
            times = times_until(expected[:, :n], gaps_of(np.concatenate(played, axis=1)))
            clock = Clock(expected[:, n : n + CHUNK], times)
            carry, ids_BNS = play(self.model.params, carry, low, high, batch["key"], first, knobs, clock)
            played.append(np.asarray(ids_BNS))
            self._tell(spans, n, played[-1])
        compiling = self.timer.compile_seconds - compiled
        self.timer.perform_seconds += time.perf_counter() - began - compiling
        whole_BNS = np.concatenate(played, axis=1)
        return [whole_BNS[row, : span.score.size] for row, span in enumerate(spans)]

    def choose_size(self, rows: int, notes: int, groups: tuple[str, ...]) -> ProgramKey:
        """Rows and notes that a batch is padded to, and the groups of its scores: the key of `perform`, but reach."""
        ideal = ProgramKey("perform", _batch_bucket(rows, self.model.mesh.size), _length_bucket(notes), groups)
        sizes = {ProgramKey("perform", x.rows, x.notes, x.groups) for x in self._compiled("start", "follow", "perform")}
        ready = [x for x in sizes if x.rows >= rows and x.notes >= notes and x.groups == groups]
        return self.chooser.choose(ideal, ready, lambda x: _seconds(self.model, x.rows, x.notes, notes))

    def _choose_reach(self, key: ProgramKey, needed: int, reach: int) -> int:
        """For how many notes the caches should have room now: what is attended to is read as a whole."""
        ideal = dataclasses.replace(key, reach=max(_reach(key.notes, needed), reach))
        ready = [x for x in self._compiled("perform") if dataclasses.replace(x, reach=0) == key]
        ready = [x for x in (*ready, dataclasses.replace(key, reach=key.notes)) if x.reach >= ideal.reach]
        return self.chooser.choose(ideal, ready, lambda x: _attention_seconds(self.model, x.rows, x.reach)).reach

    def _choose_scores(self, key: ProgramKey, distinct: int) -> ProgramKey:
        """How many scores are encoded: performances of one score share what the encoder says of it."""
        if self.model.mesh.size > 1:
            return dataclasses.replace(key, scores=key.rows)
        ideal = dataclasses.replace(key, scores=min(1 << (distinct - 1).bit_length(), key.rows))
        ready = [x for x in self._compiled(key.kind) if dataclasses.replace(x, scores=0) == key]
        ready = [x for x in ready if x.scores >= distinct]
        return self.chooser.choose(ideal, ready, lambda x: _seconds(self.model, x.scores, x.notes, 0))

    def _takes_in(self, key: ProgramKey, prompt: int) -> bool:
        """Whether a prompt is taken in at once; else it is performed again note by note, bound to what it was."""
        follow = dataclasses.replace(key, kind="follow")
        same = (dataclasses.replace(x, reach=0, scores=0) == follow for x in self._compiled("follow"))
        if not prompt or any(same):
            return prompt > 0
        return self.chooser.has_paid(follow, _seconds(self.model, key.rows, 0, prompt))

    def _compiled(self, *kinds: str) -> list[ProgramKey]:
        return [key for key in self.model.programs.compiled if key.kind in kinds]

    def _program(self, key: ProgramKey) -> Callable:
        began, there = time.perf_counter(), key in self.model.programs.compiled
        program = self.model.programs[key]
        self.timer.compile_seconds += 0.0 if there else time.perf_counter() - began
        return program

    def _foretell(
        self, spans: list[Span], score_of_row: np.ndarray, told_SNC: np.ndarray, expected_BN: np.ndarray
    ) -> None:
        """Write the gaps that are expected of the spans, and tell what is predicted of them."""
        for row, (span, number) in enumerate(zip(spans, score_of_row, strict=False)):  # the batch may be padded
            notes = span.score.size
            curves, states = divided(self.model.config, told_SNC[number, :notes])
            if self.model.config.consensus:
                expected_BN[row, :notes] = expected_gaps(gaps_of(span.score.notes), curves[:, 0])
            if self.on_prediction is not None:
                self.on_prediction(span, curves, states)

    def _tell(self, spans: list[Span], first: int, ids_BNS: np.ndarray) -> None:
        """Of the notes that are final now; those performed last are notes `first`, … of their spans, [B, n, 8]."""
        fresh = [_fresh_between(span, first, first + ids_BNS.shape[1]) for span in spans]
        self.timer.notes += sum(fresh)
        if self.advance is not None:
            self.advance(sum(fresh))
        for span, count, ids_NS in zip(spans, fresh, ids_BNS, strict=False):  # the batch may be padded
            begin = max(len(span.prompt) - first, 0)
            if self.on_notes is not None and count:
                self.on_notes(span, ids_NS[begin : begin + count])


def side_by_side(model: Model) -> int:
    """How many performances to make together: on a CPU more are no faster."""
    return (16 if model.programs.on_cpu else 256) * model.mesh.size


def _fresh_between(span: Span, first: int, last: int) -> int:
    begin = len(span.prompt)
    return max(0, min(last, begin + span.fresh) - max(first, begin))


def _flops(model: Model) -> float:
    return CPU_FLOPS if model.programs.on_cpu else ACCELERATOR_FLOPS * model.mesh.size


def _seconds(model: Model, rows: int, length: int, notes: int) -> float:
    """About what a batch of this shape costs, of which `notes` notes are performed."""
    encoding = 2 * num_params(model.params["encoder"]) * length
    performing = 2 * num_params(model.params["decoder"]) * notes * _passes(model)
    seconds = rows * (encoding + performing) / _flops(model)
    return seconds if model.programs.on_cpu else max(seconds, notes * STEP_SECONDS)


def _attention_seconds(model: Model, rows: int, reach: int) -> float:
    """About what reading the caches costs while a chunk is performed."""
    c = model.config
    positions = reach * (NOTE_TOKENS if c.decoder == "token" else 1)
    operations = 4 * c.decoder_layers * c.heads * c.head_size * positions
    return CHUNK * _passes(model) * rows * operations / _flops(model) * CACHE_SLOWNESS


def _passes(model: Model) -> int:
    return NOTE_TOKENS - 1 if model.config.decoder == "token" else 1


def _batch_bucket(rows: int, devices: int) -> int:
    each = -(-rows // devices)
    return devices << (each - 1).bit_length()


def _length_bucket(notes: int) -> int:
    fitting = [length for length in LENGTHS if length >= notes]
    return fitting[0] if fitting else -(-notes // CHUNK) * CHUNK


def _reach(length: int, notes: int) -> int:
    return min(-(-max(notes, 1) // REACH) * REACH, length)
