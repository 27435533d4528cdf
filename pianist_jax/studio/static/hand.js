// Notes moved, lengthened and made louder, and the pedal drawn, by dragging in the roll; notes also by keys.
import { prepared } from "./music.js";

const STEP = 15; // ms between drawn movements of the pedal
const within = (value, low, high) => Math.min(Math.max(Math.round(value), low), high);

export class Hand {
  // takeToEdit gives a take whose notes may be changed; onChange hears (note numbers, whether the pedal) when a hand lets go.
  constructor(roll, { takeToEdit, onChange }) {
    Object.assign(this, { roll, takeToEdit, onChange, on: false });
    const { canvas } = roll;
    canvas.addEventListener("pointerdown", (event) => this._down(event), true);
    canvas.addEventListener("pointermove", (event) => this._move(event), true);
    canvas.addEventListener("pointerup", () => this._up(), true);
    canvas.addEventListener("pointercancel", () => this._up(), true);
    canvas.addEventListener("click", (event) => { if (this.moved) { event.stopImmediatePropagation(); this.moved = false; } }, true);
  }

  turn(on) {
    this.on = on;
    this.roll.editing = on;
    this.roll.canvas.classList.toggle("editing", on);
    if (!on) this.roll.picked = null;
    this.roll.draw();
  }

  pick(step) {
    const { roll } = this, { at } = roll.view.notes;
    const here = roll.picked ?? at.findIndex((place) => place >= roll.place() - 1e-6) - step;
    roll.picked = within(here + step, 0, at.length - 1);
    roll.reveal(at[roll.picked]);
    this._tell(roll.picked);
  }

  nudge({ onset = 0, duration = 0, velocity = 0 }) {
    const n = this.roll.picked;
    if (n === null || n === undefined) return;
    const take = this.takeToEdit();
    if (!take || take.onset[n] == null) return;
    this._set(take, n, take.onset[n] + onset, take.duration[n] + duration, take.velocity[n] + velocity);
    this.onChange([n], false);
  }

  _set(take, n, onset, duration, velocity) {
    take.onset[n] = within(onset, 0, 4e7);
    take.duration[n] = within(duration, 1, 4e7);
    take.velocity[n] = within(velocity, 1, 127);
    take.loud = undefined;
    take.from[n] = take.placeOf(take.onset[n]);
    take.to[n] = take.placeOf(take.onset[n] + take.duration[n]);
    this._tell(n, take);
  }

  _tell(n, take = this.roll.take) {
    if (take && take.onset[n] != null) this.roll.tell(n, take);
    this.roll.draw();
  }

  _down(event) {
    if (!this.on || event.button || !this.roll.take) return;
    const { roll } = this, { offsetX: x, offsetY: y } = event;
    if (roll.isPedal(y)) this.drag = { kind: "pedal", at: [] };
    else {
      const n = roll.noteAt(x, y);
      if (n === null) return;
      roll.picked = n;
      const ends = roll.x(roll.take.to[n]), long = ends - roll.x(roll.take.from[n]) > 14;
      this.drag = { kind: long && x > ends - 6 ? "length" : "", n, x, y };
    }
    event.stopImmediatePropagation();
    event.preventDefault();
    roll.scroller.focus({ preventScroll: true });
    roll.canvas.setPointerCapture(event.pointerId);
    this.moved = false;
    if (this.drag.kind === "pedal") this._move(event);
    roll.draw();
  }

  _move(event) {
    const { drag, roll } = this;
    if (!drag) { if (this.on) this._cursor(event); return; }
    event.stopImmediatePropagation();
    const x = event.offsetX, y = event.offsetY, right = Math.abs(x - drag.x), up = Math.abs(y - drag.y);
    if (!drag.take) {
      if (drag.kind !== "pedal" && Math.max(right, up) < 4) return;
      drag.kind ||= right > up ? "onset" : "velocity";
      drag.take = this.takeToEdit();
      if (!drag.take) { this.drag = null; return; }
      const { onset, duration, velocity } = drag.take;
      drag.before = [onset[drag.n], duration[drag.n], velocity[drag.n]];
      drag.timeOf = drag.take.timeOf; // the axis stays while one drags
      drag.pedal = drag.take.pedal;
    }
    this.moved = true;
    const time = (place) => drag.timeOf(roll.placeAt(place));
    if (drag.kind === "pedal") { this._draw(drag, within(time(x), 0, 4e7), roll.pedalValue(y)); return; }
    const [onset, duration, velocity] = drag.before, further = time(x) - time(drag.x);
    this._set(drag.take, drag.n, onset + (drag.kind === "onset" ? further : 0), duration + (drag.kind === "length" ? further : 0), velocity + (drag.kind === "velocity" ? (drag.y - y) * 0.6 : 0));
  }

  _up() {
    const { drag } = this;
    this.drag = null;
    if (drag?.take) this.onChange(drag.n === undefined ? [] : [drag.n], drag.kind === "pedal");
  }

  // What was there between the ends of the line that is drawn gives way to it.
  _draw(drag, time, value) {
    const last = drag.at.at(-1);
    if (last) for (let t = Math.min(last[0], time); t < Math.max(last[0], time); t += STEP) {
      drag.at.push([Math.round(t), within(last[1] + (value - last[1]) * (t - last[0]) / (time - last[0]), 0, 127)]);
    }
    drag.at.push([time, value]);
    const line = new Map(drag.at), times = [...line.keys()].sort((a, b) => a - b), end = times.at(-1) + STEP;
    const events = [];
    let after = 0;
    drag.pedal.time.forEach((t, k) => {
      if (t <= end) after = drag.pedal.value[k];
      if (t < times[0] || t > end) events.push([t, drag.pedal.value[k]]);
    });
    for (const t of times) events.push([t, line.get(t)]);
    events.push([end, after]);
    events.sort((a, b) => a[0] - b[0]);
    drag.take.pedal = { time: events.map(([t]) => t), value: events.map(([, v]) => v) };
    drag.take.pedalAt = drag.take.pedal.time.map((t) => drag.take.placeOf(t));
    this.roll.draw();
  }

  _cursor({ offsetX: x, offsetY: y }) {
    const { roll } = this, n = roll.take ? roll.noteAt(x, y) : null;
    const ends = n === null ? 0 : roll.x(roll.take.to[n]), long = n !== null && ends - roll.x(roll.take.from[n]) > 14;
    roll.canvas.style.cursor = roll.isPedal(y) ? "crosshair" : n === null ? "" : long && x > ends - 6 ? "ew-resize" : "move";
  }
}

// Edits of one take that are not kept yet: what they are, and what they were before each.
export class Draft {
  constructor(of) { this.of = of; this.now = { notes: {}, pedal: null }; this.past = []; this.future = []; }

  // Take in what of a take that a hand has changed is another now.
  add(take, numbers, pedal) {
    const notes = { ...this.now.notes };
    for (const n of numbers) notes[n] = [take.onset[n], take.duration[n], take.velocity[n]];
    this.past.push(this.now);
    this.future = [];
    this.now = { notes, pedal: pedal ? take.pedal.time.map((time, k) => [time, take.pedal.value[k]]) : this.now.pedal };
  }

  step(from, to) {
    if (!from.length) return false;
    to.push(this.now);
    this.now = from.pop();
    return true;
  }

  get words() {
    const count = Object.keys(this.now.notes).length;
    return [count && `${count} note${count > 1 ? "s" : ""}`, this.now.pedal && "pedal"].filter(Boolean).join(" and ") || "nothing yet";
  }
}

// A copy of a take that a hand may change.
export const copied = (take) => prepared({
  ...take, loud: undefined, onset: [...take.onset], duration: [...take.duration], velocity: [...take.velocity],
  pedal: { time: [...take.pedal.time], value: [...take.pedal.value] },
});
