// Places and times: columns of numbers, ascending, and what lies between them.

export function below(column, value) { // how many are at most `value`
  let low = 0, high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] <= value) low = middle + 1; else high = middle;
  }
  return low;
}

export function carried(value, from, to) {
  const last = from.length - 1;
  if (last < 0) return value;
  if (last === 0) return to[0];
  const k = Math.min(Math.max(below(from, value) - 1, 0), last - 1);
  return to[k] + (value - from[k]) * (to[k + 1] - to[k]) / (from[k + 1] - from[k]);
}

const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
export const pitchName = (pitch) => NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1);
export const minutes = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, "0")}`;

// A take with what drawing and playing need: notes on the score's axis, and their order in time.
export function prepared(take) {
  const { at, ms } = take.clock;
  take.from = take.onset.map((time) => carried(time, ms, at));
  take.to = take.onset.map((time, n) => carried(time + take.duration[n], ms, at));
  take.order = take.onset.map((_, n) => n).filter((n) => take.onset[n] !== null).sort((a, b) => take.onset[a] - take.onset[b]);
  take.sorted = take.order.map((n) => take.onset[n]);
  take.longest = Math.max(...take.duration);
  take.pedalAt = take.pedal.time.map((time) => carried(time, ms, at));
  take.timeOf = (place) => Math.max(0, carried(place, at, ms));
  take.placeOf = (time) => carried(time, ms, at);
  return take;
}

export function sounding(take, time) {
  const found = [];
  for (let k = below(take.sorted, time) - 1; k >= 0 && take.sorted[k] > time - take.longest; k--) {
    const n = take.order[k];
    if (take.onset[n] + take.duration[n] > time) found.push(n);
  }
  return found;
}
