// The engraved score: notes light up, clicks seek, drags select bars.
import { pages } from "./api.js";

export class Sheet {
  constructor(box, { onSeek, onSelect }) {
    this.box = box;
    this.notes = new Map(); // element id -> numbers of notes
    this.lit = new Set();
    this.marks = [];
    this.bars = []; // of each measure element: which bars it is
    let from = null;
    box.addEventListener("pointerdown", (event) => { from = event.button === 0 ? this._bar(event.target) : null; this.dragged = false; });
    box.addEventListener("pointermove", (event) => {
      if (from === null || event.pointerType === "touch") return;
      const to = this._bar(event.target);
      if (to !== null && (to !== from || this.dragged)) { this.dragged = true; onSelect(Math.min(from, to), Math.max(from, to)); }
    });
    window.addEventListener("pointerup", () => { from = null; });
    box.addEventListener("click", (event) => {
      if (this.dragged) { this.dragged = false; return; }
      const note = this._nearest(event);
      if (note !== null) onSeek(note);
    });
  }

  async show(view, place) {
    this.view = view;
    this.place = place;
    this.notes.clear();
    view.notes.id.forEach((id, n) => this.notes.set(id, [...(this.notes.get(id) || []), n]));
    await this.draw();
  }

  async draw() {
    const { view } = this;
    const width = Math.round(this.box.clientWidth);
    if (!view || !view.engraved || !width || (this.drawn === view.name && this.width === width)) return;
    if (this.drawn !== view.name) {
      this.box.innerHTML = '<p class="waiting quiet">Engraving…</p>';
      this.drawn = null;
    }
    const made = await pages(view.name, width);
    if (this.view.name !== view.name) return;
    this.drawn = view.name;
    this.width = width;
    this.lit.clear();
    this.marks = [];
    const parser = new DOMParser();
    this.box.replaceChildren(...made.map((text) => document.importNode(parser.parseFromString(text, "image/svg+xml").documentElement, true)));
    this.measures = [...this.box.querySelectorAll(".measure")];
    this.measures.forEach((measure) => { measure.bars = this._barsOf(measure); });
    if (this.selection) this.select(...this.selection);
  }

  light(numbers) {
    if (!this.view) return;
    const now = new Set(numbers.map((n) => this.view.notes.id[n]));
    for (const id of this.lit) if (!now.has(id)) this._element(id)?.classList.remove("on");
    for (const id of now) if (!this.lit.has(id)) this._element(id)?.classList.add("on");
    this.lit = now;
  }

  follow(numbers) {
    if (!this.view) return;
    const element = numbers.length ? this._element(this.view.notes.id[numbers[0]]) : null;
    const system = element?.closest(".system");
    if (!system) return;
    const inside = system.getBoundingClientRect(), frame = this.box.getBoundingClientRect();
    if (system === this.followed && inside.top < frame.bottom && inside.bottom > frame.top) return;
    this.followed = system;
    if (inside.top >= frame.top && inside.bottom <= frame.bottom) return;
    this.box.scrollTo({ top: this.box.scrollTop + inside.top - frame.top - 24 });
  }

  select(first, last) {
    this.selection = first ? [first, last] : null;
    this.marks.forEach((mark) => mark.remove());
    this.marks = [];
    if (!first || !this.measures) return;
    for (const measure of this.measures) {
      if (!measure.bars.some((bar) => bar >= first && bar <= last)) continue;
      const { x, y, width, height } = (measure.querySelector(".staff") ? union(measure.querySelectorAll(":scope > .staff")) : measure).getBBox();
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ x, y, width, height })) mark.setAttribute(key, value);
      mark.setAttribute("class", "chosen");
      measure.prepend(mark);
      this.marks.push(mark);
    }
  }

  _element(id) { return id ? document.getElementById(id) : null; }

  _barsOf(measure) {
    const found = new Set();
    for (const note of measure.querySelectorAll(".note")) for (const n of this.notes.get(note.id) || []) found.add(this.view.barOf(this.view.notes.at[n]));
    return [...found];
  }

  // The bar under an element; of several passes the one nearest to where one is.
  _bar(element) {
    const bars = element.closest?.(".measure")?.bars;
    if (!bars || !bars.length) return null;
    const here = this.view.barOf(this.place());
    return bars.reduce((best, bar) => (Math.abs(bar - here) < Math.abs(best - here) ? bar : best));
  }

  _nearest(event) {
    const own = event.target.closest?.(".note");
    let numbers = own ? this.notes.get(own.id) : null;
    if (!numbers) {
      const measure = event.target.closest?.(".measure");
      let best = Infinity;
      for (const note of measure ? measure.querySelectorAll(".note") : []) {
        const box = note.getBoundingClientRect();
        const away = Math.abs(box.left + box.width / 2 - event.clientX);
        if (away < best && this.notes.has(note.id)) { best = away; numbers = this.notes.get(note.id); }
      }
    }
    if (!numbers) return null;
    const here = this.place(), at = this.view.notes.at;
    return numbers.reduce((best, n) => (Math.abs(at[n] - here) < Math.abs(at[best] - here) ? n : best));
  }
}

function union(elements) {
  const boxes = [...elements].map((element) => element.getBBox());
  const x = Math.min(...boxes.map((b) => b.x)), y = Math.min(...boxes.map((b) => b.y));
  const box = { x, y, width: Math.max(...boxes.map((b) => b.x + b.width)) - x, height: Math.max(...boxes.map((b) => b.y + b.height)) - y };
  return { getBBox: () => box };
}
