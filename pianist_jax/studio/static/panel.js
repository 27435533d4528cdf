// The side of the page: takes, sliders, files.
import { archiveAddress, fileAddress, pictureAddress, soundAddress } from "./api.js";

export const STRENGTHS = [["timing", "Timing"], ["dynamics", "Dynamics"], ["articulation", "Articulation"], ["pedal", "Pedal depth"]];
const STYLE = [["rubato", "Rubato"], ["dynamics", "Range of dynamics"], ["level", "Loudness"], ["articulation", "Length of notes"], ["pedal", "Amount of pedal"], ["depth", "Depth of pedal"], ["spread", "Spread of chords"], ["lead", "Melody ahead"]];

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

// `heard` is the key of the take that plays; onUse makes a take the one whose files are in the workspace.
export function showTakes(list, takes, heard, { onHear, onUse, onName }) {
  list.replaceChildren(...takes.map((take) => {
    const item = make("li", { "aria-current": String(take.key === heard), "data-key": take.key });
    const rename = () => {
      const field = make("input", { type: "text", value: take.name || "", maxlength: 60, "aria-label": "Name of the take", placeholder: take.label });
      const keep = () => { if (field.isConnected) onName(take, field.value); };
      field.addEventListener("keydown", (event) => { event.stopPropagation(); if (event.key === "Enter") keep(); if (event.key === "Escape") onName(take, take.name || ""); });
      field.addEventListener("blur", keep);
      item.querySelector(".pick").replaceWith(field);
      field.focus();
    };
    item.append(make(
      "button", { type: "button", class: "pick", "aria-pressed": String(take.key === heard), title: take.told, onclick: (event) => { if (!event.target.closest("input")) onHear(take.key); } },
      make("span", { class: "key", "aria-hidden": "true" }, take.letter),
      make("span", { class: "what" }, make("span", {}, take.name || take.label), make("span", { class: "quiet" }, take.told)),
    ));
    if (take.number && take.key === heard && onName) item.append(make("button", { type: "button", onclick: rename, "aria-label": `Name ${take.label}` }, "Name"));
    if (take.number && !take.current && onUse) item.append(make("button", { type: "button", title: "Go on from this take: its files are written again", onclick: () => onUse(take) }, "Use"));
    return item;
  }));
}

const signed = (value) => (value ? `${value > 0 ? "+" : "−"}${Math.abs(value)}` : "as played");

// The sliders of the whole, or of some bars: strengths are then upon those of the whole. Style is of the whole alone.
export function showSliders(box, shape, tempo, bars, onChange) {
  const rows = [], open = box.querySelector("details")?.open;
  if (tempo && !bars) rows.push(["tempo", `Tempo (${tempo.unit} a minute)`, Math.max(10, Math.round(tempo.written * 0.4)), Math.round(tempo.written * 2), 1, shape.tempo, String]);
  const own = (name) => (bars ? shape.ranges.find(([what, , [a, b]]) => what === name && a === bars[0] && b === bars[1])?.[1] : shape.strength[name]);
  for (const [name, label] of STRENGTHS) rows.push([name, label, 0, 2, 0.05, own(name) ?? 1, (value) => `${Math.round(value * 100)}%`]);
  if (shape.hands && !bars) rows.push(["balance", "Hands", -9, 9, 0.5, (shape.balance.right ?? 0) - (shape.balance.left ?? 0), (value) => (value ? `${value > 0 ? "right" : "left"} by ${Math.abs(value)} dB` : "as played")]);
  const slider = ([name, label, min, max, step, value, words]) => {
    const output = make("output", { for: `slide-${name}` }, words(value));
    const input = make("input", { type: "range", id: `slide-${name}`, "data-name": name, min, max, step, value, "aria-valuetext": words(value) });
    input.addEventListener("input", () => { output.textContent = words(Number(input.value)); input.setAttribute("aria-valuetext", output.textContent); output.classList.add("pending"); });
    input.addEventListener("change", () => onChange());
    return make("div", { class: "slider" }, make("label", { for: `slide-${name}` }, label), output, input);
  };
  const style = STYLE.filter(([word]) => word !== "depth" || !shape.binary_pedal).map(([word, label]) => slider([`style-${word}`, label, -3, 3, 0.25, shape.style[word] ?? 0, signed]));
  const hint = make("p", { class: "hint quiet" }, "How far from what was performed: +1 is as one pianist in six would, +2 as one in forty.");
  box.replaceChildren(...rows.map(slider), ...(bars ? [] : [make("details", { open: open || Object.keys(shape.style).length > 0 }, make("summary", {}, "Style"), hint, ...style)]));
}

// What is wanted when the sliders stand as they do: a hand is louder by making the other one softer.
export function readSliders(box, shape, bars, binaryPedal) {
  const at = Object.fromEntries([...box.querySelectorAll("input")].map((input) => [input.dataset.name, Number(input.value)]));
  const strengths = Object.fromEntries(STRENGTHS.map(([name]) => [name, at[name]]));
  const style = bars ? { ...shape.style } : Object.fromEntries(STYLE.map(([word]) => [word, at[`style-${word}`]]).filter(([, value]) => value));
  if (binaryPedal) delete style.depth;
  const wish = { tempo: at.tempo ?? shape.tempo, strength: bars ? shape.strength : strengths, style, binary_pedal: binaryPedal, balance: shape.balance, ranges: shape.ranges };
  if (at.balance !== undefined) wish.balance = at.balance > 0 ? { left: -at.balance } : at.balance < 0 ? { right: at.balance } : {};
  if (bars) {
    const others = shape.ranges.filter(([, , [a, b]]) => a !== bars[0] || b !== bars[1]);
    wish.ranges = [...others, ...Object.entries(strengths).filter(([, times]) => times !== 1).map(([name, times]) => [name, times, bars])];
  }
  return wish;
}

const KINDS = [[".performance.mid", "Performance MIDI"], [".daw.mid", "MIDI for a DAW"], [".json", "JSON"]];

export function showDownloads(list, view, take) {
  const link = (address, name, text) => make("li", {}, make("a", { href: address, download: name }, text));
  const links = [], told = take && view.takes.find(({ key }) => key === take.key);
  for (const file of view.files) {
    const kind = KINDS.find(([suffix]) => file.endsWith(suffix));
    if (kind) {
      const which = file.slice(view.name.length, -kind[0].length);
      links.push(link(fileAddress(view.name, file), file, kind[1] + (which ? ` ${which.slice(1)}` : "")));
    }
  }
  for (const kind of take ? ["wav", "flac", "mp3"] : []) {
    const name = `${view.name}.${kind}`;
    links.push(link(soundAddress(take.sound, `?as=${encodeURIComponent(name)}`), name, kind.toUpperCase()));
  }
  if (told?.number) links.push(link(pictureAddress(view.name, told.key), `${view.name}.png`, "Picture"));
  if (view.files.length) links.push(link(archiveAddress(view.name), `${view.name}.zip`, "All as a zip"));
  list.replaceChildren(...links);
}
