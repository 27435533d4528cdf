// The engraved score: notes light up, clicks seek, drags select bars. Pages are drawn when they come near to be seen.
import { pages } from "./api.js";

export class Sheet {
  constructor(box, { onSeek, onSelect }) {
    this.box = box;
    this.notes = new Map(); // element id -> numbers of notes
    this.lit = new Set();
    this.marks = [];
    this.texts = new Map(); // page that is not drawn yet -> its SVG
    this.near = new IntersectionObserver((seen) => seen.forEach(({ isIntersecting, target }) => isIntersecting && this._drawPage(target)), { root: box, rootMargin: "600px" });
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
    this.whole = null;
    const asked = this.asked = (this.asked || 0) + 1; // what is asked for later goes first
    let from = 0, next = pages(view.name, width, 0);
    while (next) {
      const { pages: texts, count } = await next, more = texts.length > 0 && from + texts.length < count;
      if (asked !== this.asked) return;
      next = more ? pages(view.name, width, from + texts.length) : null; // engraved while these are drawn
      next?.catch(() => {}); // who waits for it is told
      const made = texts.map((svg) => this._page(svg));
      if (from === 0) {
        this.drawn = view.name;
        this.width = width;
        this.lit.clear();
        this.marks = this.measures = [];
        this.near.disconnect();
        this.texts.clear();
        this.box.replaceChildren();
      }
      this.box.append(...made);
      made.forEach((page, n) => { this.texts.set(page, texts[n]); this.near.observe(page); });
      if (from === 0) this._drawPage(made[0]);
      from += made.length;
    }
    this.whole = view.name;
  }

  // A page's place, as high as it is going to be.
  _page(svg) {
    const page = document.createElement("div"), [, width, height] = svg.match(/viewBox="0 0 (\d+) (\d+)"/);
    page.className = "page";
    page.style.aspectRatio = `${width} / ${height}`;
    return page;
  }

  // The HTML parser reads a page in a fifth of the time that an XML parser takes.
  _drawPage(page) {
    if (!this.texts.has(page)) return;
    page.innerHTML = this.texts.get(page);
    this.texts.delete(page);
    this.near.unobserve(page);
    this.measures = [...this.measures, ...page.querySelectorAll(".measure")];
    for (const id of this.lit) this._element(id)?.classList.add("on");
    if (this.selection) this.select(...this.selection);
  }

  // The width of its column, also while nothing is shown yet.
  get column() {
    const desk = this.box.closest("main"), { hidden } = desk, own = this.box.hidden;
    desk.hidden = this.box.hidden = false;
    const width = Math.round(this.box.clientWidth);
    [desk.hidden, this.box.hidden] = [hidden, own];
    return width;
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
    const element = numbers.length ? this._drawn(this.view.notes.id[numbers[0]]) : null;
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
      if (!this._barsOf(measure).some((bar) => bar >= first && bar <= last)) continue;
      const { x, y, width, height } = (measure.querySelector(".staff") ? union(measure.querySelectorAll(":scope > .staff")) : measure).getBBox();
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ x, y, width, height })) mark.setAttribute(key, value);
      mark.setAttribute("class", "chosen");
      measure.prepend(mark);
      this.marks.push(mark);
    }
  }

  _element(id) { return id ? document.getElementById(id) : null; }

  // A note's element, whose page is drawn where it is not yet.
  _drawn(id) {
    const there = this._element(id);
    if (there || !id) return there;
    const found = [...this.texts].find(([, svg]) => svg.includes(`id="${id}"`));
    if (found) this._drawPage(found[0]);
    return this._element(id);
  }

  _barsOf(measure) {
    if (measure.bars) return measure.bars;
    const found = new Set();
    for (const note of measure.querySelectorAll(".note")) for (const n of this.notes.get(note.id) || []) found.add(this.view.barOf(this.view.notes.at[n]));
    return measure.bars = [...found];
  }

  // The bar under an element; of several passes the one nearest to where one is.
  _bar(element) {
    const measure = element.closest?.(".measure"), bars = measure ? this._barsOf(measure) : [];
    if (!bars.length) return null;
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
