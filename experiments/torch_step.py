"""A plain PyTorch training step of the sizes of a preset, to hold the JAX one against (`experiments.accelerator`).

The same layers in the same number (grouped heads, rotary positions, gated MLP, norms before and after, logits of each
slot's own range, AdamW with clipping), written as one writes PyTorch: `scaled_dot_product_attention`, autocast, fused
optimizer. What is played is random, and the batch lies ready on the device: nothing is drawn or corrupted, so that it
has a little less to do.
"""

import contextlib
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pianist_jax.config import ModelConfig
from pianist_jax.model.cells import CELLS, ROWS
from pianist_jax.music.tokens import NOTE_TOKENS, SLOT_SIZE, SLOT_START, VOCABULARY

FEATURES, TEMPO = 34, 102  # of two times, and of six in the present tempo


def rotated(x_BHTC: torch.Tensor) -> torch.Tensor:
    """Rotary positions."""
    half = x_BHTC.shape[-1] // 2
    frequency = 10_000.0 ** (-torch.arange(half, device=x_BHTC.device) / half)
    angle = torch.arange(x_BHTC.shape[-2], device=x_BHTC.device)[:, None] * frequency
    left, right = x_BHTC.chunk(2, dim=-1)
    cos, sin = angle.cos().to(x_BHTC.dtype), angle.sin().to(x_BHTC.dtype)
    return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Attention(nn.Module):
    """Grouped heads; to itself with rotary positions, or to a memory without."""

    def __init__(self, c: ModelConfig, causal: bool):
        super().__init__()
        self.c, self.causal = c, causal
        self.q = nn.Linear(c.width, c.heads * c.head_size, bias=False)
        self.k, self.v = (nn.Linear(c.width, c.kv_heads * c.head_size, bias=False) for _ in "kv")
        self.o = nn.Linear(c.heads * c.head_size, c.width, bias=False)

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        """[B, T, D] -> [B, T, D]."""
        read = x if memory is None else memory
        q, k, v = (
            y.unflatten(-1, (-1, self.c.head_size)).transpose(1, 2) for y in (self.q(x), self.k(read), self.v(read))
        )
        if memory is None:
            q, k = rotated(q), rotated(k)
        causal, scale = self.causal and memory is None, self.c.query_scale
        y = F.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale, enable_gqa=True)
        return self.o(y.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Self-attention, cross-attention where asked for, gated MLP, each between two norms."""

    def __init__(self, c: ModelConfig, causal: bool, cross: bool):
        super().__init__()
        self.attention = Attention(c, causal)
        self.cross = Attention(c, causal=False) if cross else None
        self.gate, self.up = (nn.Linear(c.width, c.feed_forward, bias=False) for _ in range(2))
        self.down = nn.Linear(c.feed_forward, c.width, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(c.width, eps=1e-6) for _ in range(6 if cross else 4))

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        """[B, T, D] -> [B, T, D]."""
        x = x + self.norms[1](self.attention(self.norms[0](x)))
        if self.cross is not None:
            x = x + self.norms[5](self.cross(self.norms[4](x), memory))
        y = self.norms[2](x)
        return x + self.norms[3](self.down(F.gelu(self.gate(y), approximate="tanh") * self.up(y)))


class Notes(nn.Module):
    """The sum of a row for each slot's cell and of a linear map of its times' features, normalised."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.table, self.times = nn.Embedding(sum(ROWS), c.width), nn.Linear(FEATURES, c.width)
        self.norm = nn.RMSNorm(c.width, eps=1e-6)

    def forward(self, rows: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """[B, N, 8] and [B, N, F] -> [B, N, D]."""
        return self.norm(self.table(rows).sum(-2) + self.times(features[..., :FEATURES]))


class Twin(nn.Module):
    """The loss of a batch of invented performances, by a token or a note decoder."""

    def __init__(self, c: ModelConfig):
        super().__init__()
        self.c, self.note = c, c.decoder == "note"
        width, slots = c.width, range(1, NOTE_TOKENS)
        self.encoder = nn.ModuleList(Block(c, causal=False, cross=False) for _ in range(c.encoder_layers))
        self.decoder = nn.ModuleList(Block(c, causal=True, cross=c.cross_attention) for _ in range(c.decoder_layers))
        self.norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-6) for _ in range(2))
        if self.note:
            self.score, self.previous, self.tempo = Notes(c), Notes(c), nn.Linear(TEMPO, width)
            self.chosen = nn.Embedding(sum(CELLS), width)
            self.slot_norms = nn.ModuleList(nn.RMSNorm(width, eps=1e-6) for _ in slots)
            self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in slots)
            self.out = nn.ModuleList(nn.Linear(width, CELLS[slot]) for slot in slots)
        else:
            self.tokens, self.played = nn.Embedding(VOCABULARY, width), nn.Embedding(VOCABULARY, width)
            self.slots = nn.ModuleList(nn.Linear(width, width // NOTE_TOKENS) for _ in range(NOTE_TOKENS))

    def forward(self, values: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Values of each slot [B, N, 8], counted from 0, and time features [B, N, F] -> the mean loss."""
        return self._notes(values, features) if self.note else self._tokens(values)

    def _stack(self, blocks: Any, norm: nn.Module, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        for block in blocks:
            x = block(x, memory)
        return norm(x)

    def _tokens(self, values: torch.Tensor) -> torch.Tensor:
        start = torch.as_tensor(SLOT_START.copy(), device=values.device).long()
        scale = self.c.width**0.5
        x_BNSD = self.tokens(values + start)
        x = torch.cat([slot(x_BNSD[:, :, n]) for n, slot in enumerate(self.slots)], dim=-1) * scale
        memory = self._stack(self.encoder, self.norms[0], x, x)
        before = F.pad((values + start).flatten(1)[:, :-1], (1, 0))
        states = self._stack(self.decoder, self.norms[1], self.played(before) * scale, memory)
        states_BNSD, losses = states.unflatten(1, (-1, NOTE_TOKENS)), []
        for slot, (first, size) in enumerate(zip(SLOT_START.tolist(), SLOT_SIZE.tolist(), strict=True)):
            logits = F.linear(states_BNSD[:, :, slot], self.played.weight[first : first + size])
            logits = 30 * torch.tanh(logits.float() / 30)
            losses.append(F.cross_entropy(logits.flatten(0, 1), values[:, :, slot].flatten()))
        return torch.stack(losses).mean()

    def _notes(self, values: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        cells = torch.minimum(values, torch.as_tensor(CELLS, device=values.device) - 1)
        first = torch.as_tensor(np.cumsum([0, *ROWS[:-1]]), device=values.device)
        rows = cells + first
        x = self.score(rows, features)
        memory = self._stack(self.encoder, self.norms[0], x, x)
        x = memory + self.previous(F.pad(rows[:, :-1], (0, 0, 1, 0)), features) + self.tempo(features)
        state, losses, begin = self._stack(self.decoder, self.norms[1], x, memory), [], CELLS[0]
        for slot in range(1, NOTE_TOKENS):
            hidden = F.gelu(self.hidden[slot - 1](self.slot_norms[slot - 1](state)), approximate="tanh")
            logits = self.out[slot - 1](hidden).float()
            losses.append(F.cross_entropy(logits.flatten(0, 1), cells[:, :, slot].flatten()))
            state, begin = state + self.chosen(cells[:, :, slot] + begin), begin + CELLS[slot]
        return torch.stack(losses).mean()


def measure(c: ModelConfig, batch: int, window: int, steps: int, *, compiled: bool) -> dict[str, Any]:
    """Median time of a step over three runs of `steps`, after one that warms up; weights are float32."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    model = Twin(c).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    scored = torch.compile(model) if compiled else model
    values = torch.stack([torch.randint(int(size), (batch, window)) for size in SLOT_SIZE], dim=-1).to(device)
    features = torch.randn(batch, window, TEMPO, device=device)
    low = c.dtype == "bfloat16"

    def run(count: int) -> float:
        began = time.monotonic()
        for _ in range(count):
            with torch.autocast(device.type, torch.bfloat16) if low else contextlib.nullcontext():
                loss = scored(values, features)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        told = loss.item()  # waits for the device
        assert np.isfinite(told), told
        return time.monotonic() - began

    first = run(1)
    run(steps)
    seconds = sorted(run(steps) / steps for _ in range(3))[1]
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "library": f"torch {torch.__version__}",
        "compile_s": round(first - seconds, 1),
        "ms_per_step": round(1000 * seconds, 2),
        "speed": batch * window / seconds,
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
