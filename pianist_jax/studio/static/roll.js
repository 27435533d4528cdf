// Piano roll and curves on one axis of bars. What stands still while it plays is drawn once, upon a layer of its own.
import { below, pitchName } from "./music.js";

const RULER = 22, TEMPO = 56, LOUD = 46, PEDAL = 30, GAP = 10, SIDE = 76, GUTTER = 68;

export class Roll {
  constructor({ canvas, scroller, width, tip }, { onSeek, onSelect, place }) {
    Object.assign(this, { canvas, scroller, wide: width, tip, place });
    this.scale = 34; // pixels a quarter
    this.view = this.take = this.other = null;
    this.selection = this.picked = null;
    this.locked = [];
    this.editing = false;
    this.active = new Set();
    this.layer = document.createElement("canvas");
    scroller.addEventListener("scroll", () => this.draw());
    this._point(onSeek, onSelect);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.colours = null; this.draw(); });
  }

  show(view) {
    this.view = view;
    const notes = view.notes;
    this.low = Math.min(...notes.pitch) - 2;
    this.high = Math.max(...notes.pitch) + 2;
    this.lengthiest = Math.max(...notes.length, 4);
    this.scroller.scrollLeft = 0;
    this.resize();
  }

  zoom(times) {
    const middle = this.placeAt(this.canvas.clientWidth / 2);
    this.scale = Math.min(Math.max(this.scale * times, 4), 240);
    this.resize();
    this.scroller.scrollLeft = this.x(middle) + this.scroller.scrollLeft - this.canvas.clientWidth / 2;
  }

  resize() {
    if (!this.view) return;
    const width = this.scroller.clientWidth, height = window.innerWidth < 861 ? 300 : Math.max(300, Math.min(380, window.innerHeight * 0.42));
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.layer.width = width * ratio;
    this.canvas.height = this.layer.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.height = height;
    this.wide.style.width = `${Math.max(width, this.view.bars.at(-1) * this.scale + 2 * SIDE)}px`;
    this.draw();
  }

  x(place) { return SIDE + place * this.scale - this.scroller.scrollLeft; }

  // The middle of a note.
  y(n) { return this.bottom - (this.view.notes.pitch[n] - this.low + 0.5) * (this.bottom - RULER) / (this.high - this.low); }

  placeAt(x) { return (x + this.scroller.scrollLeft - SIDE) / this.scale; }

  reveal(place) {
    const x = this.x(place), width = this.canvas.clientWidth;
    if (x < GUTTER + 10 || x > width - 40) this.scroller.scrollLeft += x - GUTTER - width * 0.3;
  }

  get pedalTop() { return this.height - PEDAL - 6; }

  isPedal(y) { return y > this.pedalTop - GAP / 2; }

  pedalValue(y) {
    const value = Math.round(127 * (1 - (y - this.pedalTop) / PEDAL));
    return value < 9 ? 0 : value > 118 ? 127 : value;
  }

  follow() {
    const x = this.x(this.place()), width = this.canvas.clientWidth;
    if (x < GUTTER || x > width * 0.85) this.scroller.scrollLeft += x - GUTTER - width * 0.1;
  }

  // Everything anew in the next frame.
  draw() {
    this.stale = true;
    this.move();
  }

  // Only what moves: the line where one is, and the notes that sound.
  move() {
    if (!this.view || this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this._draw(); });
  }

  _draw() {
    this.colours ??= paint();
    if (this.stale) this._drawLayer();
    const c = this.colours, g = this.canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.canvas.width, this.canvas.height);
    g.drawImage(this.layer, 0, 0);
    g.save();
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.beginPath(); g.rect(GUTTER + 1, 0, this.canvas.clientWidth, this.height); g.clip();
    this._sounding(g, c);
    g.fillStyle = c.ink;
    g.fillRect(Math.round(this.x(this.place())) - 0.75, 0, 1.5, this.height);
    g.restore();
  }

  _drawLayer() {
    this.stale = false;
    const c = this.colours, g = this.layer.getContext("2d"), ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth, height = this.height;
    [this.tempi, this.louds] = [this.tempoRange(), this.loudRange()];
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const from = this.placeAt(GUTTER), to = this.placeAt(width);
    this.bottom = height - TEMPO - LOUD - PEDAL - 3 * GAP - 6;
    this._grid(g, c, from, to, width, height);
    this._notes(g, c, from, to);
    const tempo = this.bottom + GAP, loud = tempo + TEMPO + GAP, pedal = loud + LOUD + GAP;
    if (this.other) this._curves(g, c, this.other, tempo, loud, pedal, true);
    if (this.take) this._curves(g, c, this.take, tempo, loud, pedal, false);
    this._gutter(g, c, tempo, loud, pedal, width, height);
  }

  _gutter(g, c, tempo, loud, pedal, width, height) {
    g.fillStyle = c.card;
    g.fillRect(0, 0, GUTTER, height);
    g.fillStyle = c.line;
    g.fillRect(GUTTER, 0, 1, height);
    g.font = "11px system-ui, sans-serif";
    g.fillStyle = c.soft;
    g.textAlign = "right";
    const step = (this.bottom - RULER) / (this.high - this.low);
    for (let pitch = Math.ceil(this.low / 12) * 12; pitch <= this.high; pitch += 12) {
      const y = this.bottom - (pitch - this.low + 0.5) * step;
      if (y > RULER + 7) g.fillText(pitchName(pitch), GUTTER - 7, y);
    }
    g.fillText("Bar", GUTTER - 7, RULER / 2);
    const [low, high] = this.tempi, [soft, strong] = this.louds;
    for (const [text, y] of [["Tempo", tempo + TEMPO / 2], [Math.round(high), tempo + 5], [Math.round(low), tempo + TEMPO - 4], ["Dynamics", loud + LOUD / 2], [strong, loud + 4], [soft, loud + LOUD - 4], ["Pedal", pedal + PEDAL / 2]]) {
      g.fillText(String(text), GUTTER - 7, y);
    }
    g.textAlign = "left";
    for (const y of [RULER, this.bottom + GAP / 2, this.bottom + GAP * 1.5 + TEMPO, this.bottom + GAP * 2.5 + TEMPO + LOUD]) { g.fillStyle = c.line; g.fillRect(0, Math.round(y), width, 1); }
  }

  _grid(g, c, from, to, width, height) {
    const { bars } = this.view;
    if (this.selection) {
      const [first, last] = this.selection;
      g.fillStyle = c.tint;
      g.fillRect(this.x(bars[first - 1]), 0, this.x(bars[last]) - this.x(bars[first - 1]), height);
    }
    for (const [first, last] of this.locked) {
      g.fillStyle = c.soft;
      g.globalAlpha = 0.13;
      g.fillRect(this.x(bars[first - 1]), 0, this.x(bars[last]) - this.x(bars[first - 1]), height);
      g.globalAlpha = 1;
      g.fillRect(this.x(bars[first - 1]), RULER - 3, this.x(bars[last]) - this.x(bars[first - 1]), 2);
    }
    g.font = "11px system-ui, sans-serif";
    g.textBaseline = "middle";
    const wide = this.scale * (bars.at(-1) / (bars.length - 1)), every = [1, 2, 4, 5, 10, 20, 50, 100].find((n) => n * wide > 30) || 200;
    for (let k = Math.max(0, below(bars, from) - 1); k < bars.length && bars[k] <= to; k++) {
      const x = Math.round(this.x(bars[k])) + 0.5;
      g.strokeStyle = c.line;
      g.lineWidth = 1;
      g.beginPath(); g.moveTo(x, RULER - 6); g.lineTo(x, height); g.stroke();
      if (k % every === 0 && k < bars.length - 1) { g.fillStyle = c.soft; g.fillText(String(k + 1), x + 4, RULER / 2); }
    }
  }

  _notes(g, c, from, to) {
    const { notes } = this.view, { take } = this, step = (this.bottom - RULER) / (this.high - this.low);
    const tall = Math.max(4, Math.min(step - 0.5, 10));
    g.lineWidth = 1;
    const first = below(notes.at, from - this.lengthiest);
    const y = (n) => this.y(n) - tall / 2;
    g.strokeStyle = c.outline;
    for (let n = first; n < notes.at.length && notes.at[n] <= to; n++) {
      const x = this.x(notes.at[n]);
      g.strokeRect(x + 0.5, y(n) + 0.5, Math.max(2, notes.length[n] * this.scale - 1.5), tall - 1);
    }
    if (!take || take.key === "score") return;
    for (let n = first; n < notes.at.length && notes.at[n] <= to + 1; n++) {
      if (take.onset[n] == null) continue; // not there yet, or not played
      const x = this.x(take.from[n]);
      g.globalAlpha = 0.35 + 0.65 * (take.velocity[n] / 127);
      g.fillStyle = notes.hand[n] === 2 ? c.left : c.accent;
      g.beginPath();
      g.roundRect(x, y(n), Math.max(2.5, this.x(take.to[n]) - x), tall, 1.5);
      g.fill();
      if (this.editing && n === this.picked) { g.globalAlpha = 1; g.strokeStyle = c.ink; g.lineWidth = 2; g.strokeRect(x - 1.5, y(n) - 1.5, Math.max(2.5, this.x(take.to[n]) - x) + 3, tall + 3); }
    }
    g.globalAlpha = 1;
  }

  _sounding(g, c) {
    const { take } = this, step = (this.bottom - RULER) / (this.high - this.low), tall = Math.max(4, Math.min(step - 0.5, 10));
    if (!take || take.key === "score") return;
    g.fillStyle = c.ink;
    for (const n of this.active) {
      if (take.onset[n] == null) continue;
      const x = this.x(take.from[n]);
      g.beginPath();
      g.roundRect(x, this.y(n) - tall / 2, Math.max(2.5, this.x(take.to[n]) - x), tall, 1.5);
      g.fill();
    }
  }

  _curves(g, c, take, tempo, loud, pedal, faint) {
    g.strokeStyle = faint ? c.soft : c.accent;
    g.setLineDash(faint ? [4, 3] : []);
    g.lineWidth = faint ? 1.25 : 1.75;
    g.lineJoin = "round";
    const [low, high] = this.tempi;
    const t = (bpm) => tempo + TEMPO - (Math.min(Math.max(bpm, low), high) - low) / (high - low) * TEMPO;
    g.beginPath();
    take.tempo.at.forEach((at, k) => {
      const next = take.tempo.at[k + 1] ?? take.clock.at.at(-1);
      g.lineTo(this.x((at + next) / 2), t(take.tempo.bpm[k]));
    });
    g.stroke();
    g.beginPath();
    const [soft, strong] = this.louds;
    for (const [at, velocity] of take.loud) g.lineTo(this.x(at), loud + LOUD - (velocity - soft) / (strong - soft) * LOUD);
    g.stroke();
    g.setLineDash([]);
    this._pedal(g, c, take, pedal, faint);
  }

  _pedal(g, c, take, top, faint) {
    const { value } = take.pedal;
    g.beginPath();
    g.moveTo(this.x(0), top + PEDAL);
    let before = 0;
    take.pedalAt.forEach((at, k) => {
      const x = this.x(at);
      g.lineTo(x, top + PEDAL * (1 - before / 127));
      g.lineTo(x, top + PEDAL * (1 - value[k] / 127));
      before = value[k];
    });
    g.lineTo(this.x(this.view.bars.at(-1)), top + PEDAL * (1 - before / 127));
    if (faint) { g.lineWidth = 1; g.stroke(); return; }
    g.lineTo(this.x(this.view.bars.at(-1)), top + PEDAL);
    g.globalAlpha = 0.28;
    g.fillStyle = c.accent;
    g.fill();
    g.globalAlpha = 1;
  }

  tempoRange() {
    const sorted = [this.take, this.other].filter(Boolean).flatMap((take) => take.tempo.bpm).sort((a, b) => a - b);
    if (!sorted.length) return [30, 240];
    const low = sorted[Math.floor(sorted.length * 0.01)], high = sorted[Math.ceil(sorted.length * 0.99) - 1];
    const middle = (low + high) / 2, half = Math.max((high - low) / 2, middle * 0.12);
    return [middle - half, middle + half];
  }

  loudRange() {
    const velocities = [this.take, this.other].filter(Boolean).flatMap((take) => (take.loud ??= loudness(take, this.view)).map(([, velocity]) => velocity));
    const low = Math.min(...velocities, 127), high = Math.max(...velocities, 1), more = Math.max(4, (40 - (high - low)) / 2);
    return [Math.max(0, Math.floor(low - more)), Math.min(127, Math.ceil(high + more))];
  }

  noteAt(x, y) {
    const { take, view } = this, place = this.placeAt(x);
    if (!take) return null;
    const pitch = this.low + (this.bottom - y) / ((this.bottom - RULER) / (this.high - this.low));
    for (let n = below(view.notes.at, place - this.lengthiest - 4); n < view.notes.at.length && view.notes.at[n] < place + 2; n++) {
      if (take.onset[n] != null && Math.abs(view.notes.pitch[n] + 0.5 - pitch) < 0.9 && take.from[n] - 2 / this.scale <= place && place <= Math.max(take.to[n], take.from[n] + 4 / this.scale)) return n;
    }
    return null;
  }

  _point(onSeek, onSelect) {
    let from = null, dragged = false;
    const bar = (event) => Math.min(Math.max(this.view.barOf(this.placeAt(event.offsetX)), 1), this.view.bars.length - 1);
    this.canvas.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return;
      from = { bar: bar(event), x: event.offsetX };
      dragged = false;
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (from && Math.abs(event.offsetX - from.x) > 6) {
        dragged = true;
        const to = bar(event);
        onSelect(Math.min(from.bar, to), Math.max(from.bar, to));
      } else this._hover(event);
    });
    this.canvas.addEventListener("pointerup", () => { from = null; });
    this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
    this.canvas.addEventListener("click", (event) => { if (!dragged && this.view) onSeek(Math.max(0, this.placeAt(event.offsetX))); dragged = false; });
  }

  // What a note is, beside it.
  tell(n, take) {
    this._words(n, take);
    this.tip.hidden = false;
    this.tip.style.left = `${Math.max(0, Math.min(this.x(take.from[n]) + 14, this.canvas.clientWidth - this.tip.offsetWidth - 6))}px`;
    this.tip.style.top = `${this.scroller.offsetTop + 2}px`;
  }

  _words(n, take) {
    const { view } = this, off = Math.round(take.onset[n] - take.timeOf(view.notes.at[n]));
    const early = off === 0 ? "with its chord" : `${Math.abs(off)} ms ${off < 0 ? "before" : "behind"} its chord`;
    this.tip.textContent = `${pitchName(view.notes.pitch[n])} · velocity ${take.velocity[n]} · ${take.duration[n]} ms · ${early}`;
  }

  _hover(event) {
    const n = this.view && this.take ? this.noteAt(event.offsetX, event.offsetY) : null;
    this.tip.hidden = n === null;
    if (n === null) return;
    this._words(n, this.take);
    const wide = this.tip.offsetWidth, right = event.offsetX > this.canvas.clientWidth / 2;
    this.tip.style.left = `${Math.max(0, Math.min(right ? event.offsetX - 14 - wide : event.offsetX + 14, this.canvas.clientWidth - wide - 6))}px`;
    this.tip.style.top = `${event.offsetY + this.scroller.offsetTop - 30}px`;
  }
}

// The loudest note of every beat or so: what one hears as the line.
function loudness(take, view) {
  const found = new Map();
  view.notes.at.forEach((at, n) => {
    if (take.velocity[n] == null) return;
    const beat = Math.max(0, below(view.beats, at + 1e-6) - 1);
    found.set(beat, Math.max(found.get(beat) || 0, take.velocity[n]));
  });
  return [...found].sort((a, b) => a[0] - b[0]).map(([beat, velocity]) => [view.beats[beat] + ((view.beats[beat + 1] ?? view.beats[beat] + 1) - view.beats[beat]) / 2, velocity]);
}

function paint() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["ink", "soft", "line", "accent", "tint", "left", "outline", "card"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}
