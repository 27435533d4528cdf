"""How the note decoder divides each slot's values into cells: 1 ms wide up to 64 ms, then 2.3% of the time itself.

Hearing and playing are relative: 2 ms matter inside a chord, not at the end of a fermata. 256 cells instead of 5000
values keep the head small and its counts large. Pitch, velocity and pedal have one cell a value.
"""

import numpy as np

from pianist_jax.music.tokens import IOI, MASK, NOTE_TOKENS, SLOT_SIZE, SLOT_START, VOCABULARY

TIME_CELLS = 256
_EXACT = 64  # ms with a cell of their own
_TIMES = int(SLOT_SIZE[IOI])


def _time_edges() -> np.ndarray:
    steps = np.arange(1, TIME_CELLS - _EXACT + 1) / (TIME_CELLS - _EXACT)
    edges = np.round(_EXACT * (_TIMES / _EXACT) ** steps).astype(np.int32)
    return np.concatenate([np.arange(_EXACT + 1, dtype=np.int32), edges])


_EDGES = _time_edges()
TIME_LOW = _EDGES[:-1]  # first ms of each cell
TIME_WIDTH = np.diff(_EDGES)  # ms in each cell
TIME_CELL = np.repeat(np.arange(TIME_CELLS, dtype=np.int32), TIME_WIDTH)  # the cell of each ms

CELLS = tuple(TIME_CELLS if size == _TIMES else int(size) for size in SLOT_SIZE)
ROWS = tuple(cells + 2 for cells in CELLS)  # and one row for MASK, one for "no note"
ROW_START = np.concatenate([[0], np.cumsum(ROWS)[:-1]]).astype(np.int32)


def cell_table(slot: int) -> tuple[np.ndarray, np.ndarray]:
    """First value and width of each cell of `slot`, int32[R] each."""
    if CELLS[slot] == TIME_CELLS:
        return TIME_LOW, TIME_WIDTH
    return np.arange(CELLS[slot], dtype=np.int32), np.ones(CELLS[slot], np.int32)


def _row_of_id() -> np.ndarray:
    """For each slot and token id the row of a table of all slots' cells; ids of other slots count as "no note"."""
    rows = np.empty((NOTE_TOKENS, VOCABULARY), np.int32)
    for slot in range(NOTE_TOKENS):
        start, size = int(SLOT_START[slot]), int(SLOT_SIZE[slot])
        rows[slot] = ROW_START[slot] + CELLS[slot] + 1
        rows[slot, MASK] = ROW_START[slot] + CELLS[slot]
        cell = TIME_CELL if CELLS[slot] == TIME_CELLS else np.arange(size)
        rows[slot, start : start + size] = ROW_START[slot] + cell
    return rows


ROW_OF_ID = _row_of_id()  # int32[8, VOCABULARY]
