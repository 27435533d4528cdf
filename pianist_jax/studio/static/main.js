// The page: what is shown, what is heard, and one clock for both.
import { get, listen, post, upload } from "./api.js";
import { below, minutes, prepared, sounding } from "./music.js";
import { readSliders, showDownloads, showSliders, showTakes } from "./panel.js";
import { Player } from "./player.js";
import { Roll } from "./roll.js";
import { Sheet } from "./sheet.js";

const $ = (id) => document.getElementById(id);
const state = { overview: null, view: null, takes: new Map(), heard: null, before: null, selection: null, loop: false, job: null };

const player = new Player(() => showTransport(), () => complain("the sound cannot be had; load the page anew"));
const roll = new Roll(
  { canvas: $("canvas"), scroller: $("scroller"), width: $("width"), tip: $("tip") },
  { onSeek: (place) => seek(place), onSelect: select, place: () => player.place },
);
const sheet = new Sheet($("sheet"), { onSeek: (note) => seek(state.view.notes.at[note]), onSelect: select });

// --- what went wrong, and what is being done

function complain(error) {
  $("problem").hidden = !error;
  $("problem").firstElementChild.textContent = error ? error.message || String(error) : "";
}

async function attempt(work) {
  try { complain(null); return await work(); } catch (error) { complain(error); return null; }
}

function showJob(job) {
  state.job = job && ["waiting", "running"].includes(job.state) ? job : null;
  $("job").hidden = !state.job;
  if (state.job) {
    const share = job.expected ? Math.min(1, job.done / job.expected) : 0;
    const bar = $("job-done");
    if (job.state === "running" && job.expected) bar.value = share; else bar.removeAttribute("value");
    const what = { perform: "Performing", bars: "Performing the bars anew", shape: "Shaping" }[job.kind] || "Working";
    const model = state.overview?.model.state;
    $("job-text").textContent = job.state === "waiting" && model !== "ready" ? `${what} ${job.name}: the model is getting ready` : `${what} ${job.name}${job.expected ? ` · ${Math.round(100 * share)}%` : ""}`;
  }
  $("perform").disabled = $("anew").disabled = Boolean(state.job);
  if (state.view) showBars();
}

function showModel(model) {
  state.overview.model = model;
  const words = { loading: "Loading the model…", warming: "Getting the model ready…", ready: "", failed: model.error };
  $("model").textContent = words[model.state] ?? "";
}

// --- scores

async function lookAround() {
  state.overview = await get("overview");
  showModel(state.overview.model);
  const { scores, examples, suffixes, jobs } = state.overview;
  $("score").hidden = !scores.length;
  $("score").replaceChildren(...scores.map(({ name }) => new Option(name, name)));
  $("file").accept = suffixes.join(",");
  $("examples").hidden = !examples.length;
  $("examples").querySelector("ul").replaceChildren(...examples.map((name) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = name.replaceAll("-", " ");
    button.onclick = () => attempt(async () => { const { name: added } = await post(["examples", name]); await lookAround(); await open(added); });
    item.append(button);
    return item;
  }));
  showJob(jobs.at(-1));
  const wanted = decodeURIComponent(location.hash.slice(1));
  if (state.view && scores.some(({ name }) => name === state.view.name)) $("score").value = state.view.name;
  else if (scores.length) await open(scores.some(({ name }) => name === wanted) ? wanted : scores[0].name);
  $("empty").hidden = scores.length > 0;
  for (const id of ["desk", "transport"]) $(id).hidden = !scores.length;
}

async function add(files) {
  await attempt(async () => {
    let name = null;
    for (const file of files) ({ name } = await upload(file));
    if (name) { await lookAround(); await open(name); }
  });
}

async function open(name) {
  player.playing && player.pause();
  state.takes.clear();
  state.heard = state.before = null;
  player.take = roll.take = roll.other = null;
  player.rest = 0;
  select(null);
  location.replace(`#${encodeURIComponent(name)}`);
  $("score").value = name;
  document.title = `${name} – Pianist studio`;
  await refresh(name);
}

// --- a score and its takes

async function refresh(name, hear) {
  const asked = state.asked = (state.asked || 0) + 1; // what is asked for later goes first
  const view = await get("scores", name);
  if (asked !== state.asked) return;
  const isNew = !state.view || state.view.name !== name;
  state.view = view;
  view.barOf = (place) => Math.min(Math.max(below(view.bars, place + 1e-6), 1), view.bars.length - 1);
  let letter = 0;
  view.takes.forEach((take) => { take.letter = take.number ? letters(letter++) : "0"; });
  if (view.problem) complain(view.problem);
  for (const id of ["desk", "transport"]) $(id).hidden = false;
  $("empty").hidden = true;
  $("sheet").hidden = !view.engraved;
  $("no-sheet").hidden = view.engraved;
  sheet.view = view;
  if (isNew) roll.show(view); else { roll.view = view; roll.resize(); }
  const current = view.takes.findLast((take) => take.current) || view.takes[0];
  const kept = view.takes.some((take) => take.key === (hear || state.heard));
  showPanel();
  await hearTake(kept ? hear || state.heard : current.key);
  if (asked !== state.asked) return;
  if (isNew || sheet.drawn !== name) await attempt(() => sheet.show(view, () => player.place));
  select(state.selection);
}

const letters = (n) => (n < 26 ? String.fromCharCode(65 + n) : String(n + 1));

async function takeOf(key) {
  const told = state.view.takes.find((take) => take.key === key);
  const known = state.takes.get(key);
  if (known && known.version === told.version) return known;
  const take = prepared(await get("scores", state.view.name, "takes", key));
  take.key = key;
  take.version = told.version;
  state.takes.set(key, take);
  return take;
}

async function hearTake(key) {
  if (!state.view.takes.some((take) => take.key === key)) return;
  const { name } = state.view, take = await attempt(() => takeOf(key));
  if (!take || state.view.name !== name) return;
  if (state.heard && state.heard !== key) state.before = state.heard;
  state.heard = key;
  player.setTake(take);
  roll.take = take;
  roll.other = state.before && state.before !== key ? state.takes.get(state.before) ?? null : null;
  showPanel();
  roll.draw();
}

// The beginning of what is being performed; it sounds at once if somebody waits for it.
async function hearPreview() {
  const take = prepared(await get("scores", state.view.name, "takes", "preview"));
  take.key = "preview";
  roll.take = take;
  player.setTake(take);
  if (state.waits) { state.waits = false; if (!player.playing) { player.seek(0); player.play(); } }
  roll.draw();
}

function showPanel() {
  const { view } = state;
  showTakes($("takes"), view.takes, state.heard, {
    onHear: hearTake,
    onUse: (take) => act(["scores", view.name, "takes", String(take.number), "use"]),
    onName: (take, name) => act(["scores", view.name, "takes", String(take.number), "name"], { name }),
  });
  $("keys").replaceChildren(...view.takes.slice(0, 10).map((take, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = take.number ? take.letter : "Written";
    button.title = `${take.name || take.label} (${index})`;
    button.setAttribute("aria-pressed", String(take.key === state.heard));
    button.onclick = () => hearTake(take.key);
    return button;
  }));
  const performed = view.takes.length > 1;
  $("perform").textContent = performed ? "Perform another take" : "Perform";
  $("undo").disabled = !view.can_undo;
  $("redo").disabled = !view.can_redo;
  $("shape").hidden = !view.shape;
  $("bars-section").hidden = false;
  if (view.shape && !$("sliders").contains(document.activeElement)) {
    showSliders($("sliders"), view.shape, view.tempo, shape);
    $("binary").checked = view.shape.binary_pedal;
  }
  showDownloads($("downloads"), view, state.takes.get(state.heard));
  $("remarks").hidden = !view.remarks.length;
  $("remarks").querySelector("ul").replaceChildren(...view.remarks.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  const other = view.takes.find((take) => take.key === state.before);
  $("overlay-name").hidden = !roll.other;
  $("overlay-name").querySelector("b").textContent = other ? other.name || other.label : "";
  showBars();
}

async function act(parts, body) { // what changes the takes and needs no model
  const { name } = state.view;
  $("pending").textContent = "Not rendered yet…";
  await attempt(async () => {
    await post(parts, body);
    if (state.view.name === name) await refresh(name, parts.includes("name") ? state.heard : "newest");
  });
  $("pending").textContent = "";
  showPanel();
}

const shape = () => act(["scores", state.view.name, "change", "shape"], { ...readSliders($("sliders")), binary_pedal: $("binary").checked });

function perform(bars) {
  const seeds = state.view.takes.map((take) => take.seed ?? -1);
  const body = { seed: Math.max(-1, ...seeds) + 1 };
  if (bars) body.bars = bars;
  complain(null);
  state.waits = !bars && !player.playing;
  attempt(async () => showJob(await post(["scores", state.view.name, "perform"], body)));
}

// --- bars

function select(first, last) {
  const bars = Array.isArray(first) ? first : first ? [first, last ?? first] : null;
  state.selection = bars;
  roll.selection = bars;
  sheet.select(...(bars || [null]));
  $("first").value = bars ? bars[0] : "";
  $("last").value = bars ? bars[1] : "";
  if (!bars) state.loop = false;
  showBars();
  roll.draw();
}

function showBars() {
  const chosen = state.selection !== null;
  $("clear").disabled = $("loop").disabled = !chosen;
  $("loop").setAttribute("aria-pressed", String(state.loop));
  $("anew").disabled = !chosen || !state.view || state.view.takes.length < 2 || Boolean(state.job);
  if (state.view) $("first").max = $("last").max = state.view.bars.length - 1;
}

function selectTyped() {
  const most = state.view.bars.length - 1, first = Math.min(Number($("first").value) || 0, most), last = Math.min(Number($("last").value) || first, most);
  if (first > 0 && $("last").value) select(Math.min(first, last), Math.max(first, last));
}

function toggleLoop() {
  if (!state.selection) return;
  state.loop = !state.loop;
  const [first, last] = state.selection, { bars } = state.view;
  if (state.loop && (player.place < bars[first - 1] || player.place >= bars[last])) seek(bars[first - 1]);
  showBars();
}

// --- the clock

function seek(place) {
  if (!player.take) return;
  player.seek(player.take.timeOf(place));
  tick(true);
}

function step(bars) {
  const { view } = state, here = view.barOf(player.place), into = player.place - view.bars[here - 1];
  const to = bars < 0 && into > 0.6 ? here : here + bars;
  seek(view.bars[Math.min(Math.max(to, 1), view.bars.length - 1) - 1]);
}

function showTransport() {
  $("play").classList.toggle("playing", player.playing);
  $("play").classList.toggle("waiting", player.playing && player.waiting);
  $("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  tick(true);
}

function tick(moved) {
  const { view } = state, { take } = player;
  if (!view || !take) return;
  const time = player.time, place = player.place;
  if (player.playing && state.loop && state.selection) {
    const [first, last] = state.selection;
    if (place >= view.bars[last] || time >= take.end - 20) { seek(view.bars[first - 1]); return; }
  }
  const numbers = player.playing || time > 0 ? sounding(take, time) : [];
  sheet.light(view.engraved ? numbers : []);
  roll.active = new Set(numbers);
  if (moved || player.playing) {
    if ($("follow").checked && (player.playing || moved)) {
      roll.follow();
      if (view.engraved) sheet.follow(numbers);
    }
    $("where").textContent = `Bar ${view.barOf(place)}`;
    $("clock").textContent = `${minutes(time)} / ${minutes(take.end)}`;
    if (document.activeElement !== $("place") || player.playing) $("place").value = String(Math.round(1000 * time / take.end));
    $("place").setAttribute("aria-valuetext", `bar ${view.barOf(place)}`);
    roll.draw();
  }
}

function frame() {
  if (player.playing) tick(false);
  requestAnimationFrame(frame);
}

// --- hands

const typing = (element) => element.matches?.("input[type=text], input[type=number], select, textarea");

window.addEventListener("keydown", (event) => {
  if (!state.view || typing(event.target) || event.altKey) return;
  const { key } = event, ctrl = event.ctrlKey || event.metaKey;
  const done = () => event.preventDefault();
  if (ctrl && key.toLowerCase() === "z") { done(); (event.shiftKey ? $("redo") : $("undo")).click(); return; }
  if (ctrl) return;
  const slider = event.target.matches?.("input[type=range]"), scroller = event.target === $("scroller");
  if (key === " " && !event.target.matches?.("button, summary, input[type=checkbox], a")) { done(); player.toggle(); }
  else if ((key === "ArrowLeft" || key === "ArrowRight") && !slider && !scroller) { done(); step(key === "ArrowLeft" ? -1 : 1); }
  else if (key === "Home" && !slider) { done(); seek(0); }
  else if (/^[0-9]$/.test(key) && state.view.takes[key]) { done(); hearTake(state.view.takes[key].key); }
  else if (key.toLowerCase() === "t" && state.before) { done(); hearTake(state.before); }
  else if (key.toLowerCase() === "l") { done(); toggleLoop(); }
  else if (key === "Escape") select(null);
});

$("play").onclick = () => player.toggle();
$("place").oninput = () => { if (player.take) { player.seek(player.take.end * Number($("place").value) / 1000); tick(true); } };
$("speed").onchange = () => player.setSpeed(Number($("speed").value));
$("score").onchange = () => attempt(() => open($("score").value));
$("add").onclick = () => $("file").click();
document.querySelector("[data-add]").onclick = () => $("file").click();
$("file").onchange = () => { add([...$("file").files]); $("file").value = ""; };
$("perform").onclick = () => perform(null);
$("anew").onclick = () => perform(state.selection);
$("clear").onclick = () => select(null);
$("loop").onclick = toggleLoop;
$("first").onchange = $("last").onchange = selectTyped;
$("undo").onclick = () => act(["scores", state.view.name, "change", "undo"]);
$("redo").onclick = () => act(["scores", state.view.name, "change", "redo"]);
$("binary").onchange = shape;
$("reset").onclick = () => act(["scores", state.view.name, "change", "shape"], {});
$("job-cancel").onclick = () => { if (state.job) attempt(() => post(["jobs", String(state.job.number), "cancel"])); };
$("problem").querySelector("button").onclick = () => complain(null);
$("wider").onclick = () => roll.zoom(1.4);
$("narrower").onclick = () => roll.zoom(1 / 1.4);

let over = 0;
window.addEventListener("dragenter", (event) => { event.preventDefault(); over += 1; $("drop").hidden = false; });
window.addEventListener("dragleave", () => { over -= 1; if (over <= 0) $("drop").hidden = true; });
window.addEventListener("dragover", (event) => event.preventDefault());
window.addEventListener("drop", (event) => { event.preventDefault(); over = 0; $("drop").hidden = true; add([...event.dataTransfer.files]); });

let resizing = 0;
window.addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => { roll.resize(); attempt(() => sheet.draw()); }, 150); });

listen((event) => {
  if (event.event === "model") showModel(event);
  else if (event.event === "scores") lookAround();
  else if (event.event === "job") {
    showJob(event);
    if (event.state === "failed") complain(event.error);
  } else if (event.event === "notes" && state.view?.name === event.name) attempt(hearPreview);
  else if (event.event === "changed" && state.view?.name === event.name) {
    attempt(() => refresh(event.name, event.what === "name" || player.playing && !["perform", "bars"].includes(event.what) ? state.heard : "newest"));
  }
}, () => attempt(async () => { await lookAround(); if (state.view) await refresh(state.view.name); }));

attempt(lookAround);
frame();
