// The page: what is shown, what is heard, and one clock for both.
import { addExample, get, listen, post, tryShape, upload, uploadRecording, view as viewOf } from "./api.js";
import { Draft, Hand, copied } from "./hand.js";
import { below, minutes, prepared, sounding } from "./music.js";
import { readSliders, showDownloads, showSliders, showTakes } from "./panel.js";
import { Player } from "./player.js";
import { Roll } from "./roll.js";
import { Sheet } from "./sheet.js";

const $ = (id) => document.getElementById(id);
const state = { overview: null, view: null, takes: new Map(), heard: null, before: null, selection: null, loop: false, job: null, draft: null, locked: [], ended: new Set(), scope: "whole", hand: "" };

const player = new Player(() => showTransport(), () => complain("the sound cannot be had; load the page anew"));
const roll = new Roll(
  { canvas: $("canvas"), scroller: $("scroller"), width: $("width"), tip: $("tip") },
  { onSeek: (place) => seek(place), onSelect: select, place: () => player.place },
);
const hand = new Hand(roll, { takeToEdit, onChange: edited });
const sheet = new Sheet($("sheet"), { onSeek: (note) => seek(state.view.notes.at[note]), onSelect: select });

// --- what went wrong, and what is being done

function complain(error) {
  $("problem").hidden = !error;
  $("problem").firstElementChild.textContent = error ? error.message || String(error) : "";
}

async function attempt(work) {
  try { complain(null); return await work(); } catch (error) { complain(error); return null; }
}

// What an overview tells may be older than what events have told since: a job that has ended, a model that was loading.
function showJob(job) {
  if (job && !["waiting", "running"].includes(job.state)) state.ended.add(job.number);
  if (state.ended.has(job?.number)) job = null;
  state.job = job && ["waiting", "running"].includes(job.state) ? job : null;
  $("job").hidden = !state.job;
  if (state.job) {
    const share = job.expected ? Math.min(1, job.done / job.expected) : 0;
    const bar = $("job-done");
    if (job.state === "running" && job.expected) bar.value = share; else bar.removeAttribute("value");
    const what = { perform: "Performing", bars: "Performing anew", shape: "Shaping" }[job.kind] || "Working";
    const model = state.overview?.model.state;
    $("job-text").textContent = job.state === "waiting" && model !== "ready" ? `${what} ${job.name}: the model is getting ready` : `${what} ${job.name}${job.expected ? ` · ${Math.round(100 * share)}%` : ""}`;
  }
  $("perform").disabled = $("anew").disabled = Boolean(state.job);
  if (state.view) showBars();
}

function showModel(model) {
  if (state.model && model.turn < state.model.turn) model = state.model;
  state.model = state.overview.model = model;
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
    button.onclick = () => attempt(async () => { const { name: added } = await addExample(name, sheet.column); await lookAround(); await open(added); });
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
    for (const file of files) ({ name } = await upload(file, sheet.column));
    if (name) { await lookAround(); await open(name); }
  });
}

async function addRecording(files) {
  const { name } = state.view;
  $("recording").value = "";
  await attempt(async () => {
    let key = null;
    for (const file of files) ({ key } = await uploadRecording(name, file));
    state.next = key;
    if (key && state.view.name === name) await refresh(name);
  });
}

async function open(name) {
  player.playing && player.pause();
  state.takes.clear();
  state.heard = state.before = state.draft = null;
  state.locked = roll.locked = [];
  state.hand = "";
  state.next = null;
  roll.picked = null;
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
  const view = await viewOf(name, sheet.column);
  if (asked !== state.asked) return;
  const isNew = !state.view || state.view.name !== name;
  state.view = view;
  view.barOf = (place) => Math.min(Math.max(below(view.bars, place + 1e-6), 1), view.bars.length - 1);
  let letter = 0;
  view.takes.forEach((take) => { take.letter = take.key === "score" ? "0" : letters(letter++); });
  if (state.draft && !view.takes.some((take) => take.key === state.draft.of)) state.draft = null;
  if (state.draft) view.takes.push({ key: "draft", label: "Your edits", letter: "✎", version: state.takes.get("draft")?.version, told: "" });
  if (view.problem) complain(view.problem);
  for (const id of ["desk", "transport"]) $(id).hidden = false;
  $("empty").hidden = true;
  $("sheet").hidden = !view.engraved;
  $("no-sheet").hidden = view.engraved;
  sheet.view = view;
  if (isNew) roll.show(view); else { roll.view = view; roll.resize(); }
  const current = view.takes.findLast((take) => take.current) || view.takes[0];
  const wanted = [state.next, hear || state.heard].find((key) => view.takes.some((take) => take.key === key)); // next: what was just added
  if (wanted === state.next) state.next = null; // not before: another refresh may have overtaken the one that asked
  showPanel();
  await hearTake(wanted ?? current.key);
  if (asked !== state.asked) return;
  if (isNew || sheet.drawn !== name) await attempt(() => sheet.show(view, () => player.place));
  select(state.selection);
}

const letters = (n) => (n < 26 ? String.fromCharCode(65 + n) : String(n + 1));

async function takeOf(key) {
  const told = state.view.takes.find((take) => take.key === key);
  const known = state.takes.get(key);
  if (known && (key === "draft" || known.version === told.version)) return known;
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
    button.textContent = take.key === "score" ? "Written" : take.letter;
    button.title = `${take.name || take.label} (${index})`;
    button.setAttribute("aria-pressed", String(take.key === state.heard));
    button.onclick = () => hearTake(take.key);
    return button;
  }));
  const performed = view.takes.some((take) => take.number);
  $("perform").textContent = !performed ? "Perform" : state.locked.length ? "Perform all but the locked bars" : "Perform another take";
  const drafting = state.heard === "draft" && state.draft;
  $("undo").disabled = drafting ? !state.draft.past.length : !view.can_undo;
  $("redo").disabled = drafting ? !state.draft.future.length : !view.can_redo;
  $("draft").hidden = !state.draft;
  if (state.draft) {
    const of = view.takes.find((take) => take.key === state.draft.of);
    const told = `${state.draft.words} of ${of?.name || of?.label}, not kept yet`;
    view.takes.at(-1).told = told;
    $("draft").querySelector("p").textContent = `Edited: ${state.draft.words}`;
  }
  $("edit").disabled = !performed;
  $("record").hidden = false;
  $("shape").hidden = !view.shape;
  $("bars-section").hidden = false;
  if (view.shape && !$("sliders").contains(document.activeElement)) {
    showSliders($("sliders"), view.shape, view.tempo, scopeBars(), shape);
    $("binary").checked = view.shape.binary_pedal;
    $("binary-row").hidden = Boolean(scopeBars());
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
  state.acts = (state.acts || 0) + 1; // what the studio then tells of is our own
  await attempt(async () => {
    try { await post(parts, body); } finally { state.acts -= 1; }
    if (state.view.name === name) await refresh(name, parts.includes("name") ? state.heard : "newest");
  });
  $("pending").textContent = "";
  for (const output of $("sliders").querySelectorAll(".pending")) output.classList.remove("pending");
  showPanel();
}

const scopeBars = () => (state.scope === "bars" ? state.selection : null);

async function shape() {
  await keepDraft();
  const wish = readSliders($("sliders"), state.view.shape, scopeBars(), $("binary").checked);
  await hearTried(wish);
  await act(["scores", state.view.name, "change", "shape"], wish);
}

// What is shaped is heard before its files are there.
async function hearTried(wish) {
  const { view, heard } = state, sample = Number(String(heard).split(".")[1] || 1) - 1;
  if (!view.takes.some((take) => take.key === heard && take.current)) return;
  const take = await attempt(async () => prepared(await tryShape(view.name, wish, sample)));
  if (!take || state.view !== view || state.heard !== heard) return;
  take.key = "tried";
  roll.take = take;
  player.setTake(take);
  roll.draw();
}

// --- edits by hand: a draft, heard at once, that becomes a take

function takeToEdit() {
  const { heard, view } = state;
  const told = view.takes.find((take) => take.key === heard);
  if (heard !== "draft" && !told?.number) { complain("choose a performed take to edit it"); return null; }
  if (heard !== "draft" && state.draft) { complain("keep or discard your edits first; then edit another take"); return null; }
  if (heard !== "draft") state.draft = new Draft(heard);
  roll.take = copied(roll.take);
  return roll.take;
}

async function edited(numbers, pedal) {
  state.draft.add(roll.take, numbers, pedal);
  await tryDraft();
}

async function tryDraft() {
  const { draft, view } = state, asked = state.tries = (state.tries || 0) + 1;
  const take = await attempt(async () => prepared(await post(["scores", view.name, "try"], { take: draft.of, ...draft.now })));
  if (!take || asked !== state.tries || state.draft !== draft || state.view.name !== view.name) return;
  take.key = "draft";
  take.version = asked;
  state.takes.set("draft", take);
  if (!state.view.takes.some(({ key }) => key === "draft")) state.view.takes.push({ key: "draft", label: "Your edits", letter: "✎", told: "" });
  await hearTake("draft");
}

async function keepDraft() {
  const { draft } = state;
  if (!draft) return;
  state.draft = null;
  state.takes.delete("draft");
  if (draft.past.length) await act(["scores", state.view.name, "change", "edit"], { take: draft.of, ...draft.now });
  else await refresh(state.view.name, draft.of);
}

async function dropDraft() {
  const { of } = state.draft;
  state.draft = null;
  state.takes.delete("draft");
  await attempt(() => refresh(state.view.name, of));
}

// Undo and redo go through the edits of a draft first, where that is heard.
function goBack(what) {
  const { draft } = state;
  if (state.heard === "draft" && draft) {
    if (what === "undo" ? draft.step(draft.past, draft.future) : draft.step(draft.future, draft.past)) tryDraft();
  } else act(["scores", state.view.name, "change", what]);
}

function toggleEdit() {
  if ($("edit").disabled) return;
  hand.turn(!hand.on);
  $("edit").setAttribute("aria-pressed", String(hand.on));
  $("tip").hidden = true;
}

async function perform(bars, hand) {
  await keepDraft();
  const seeds = state.view.takes.map((take) => take.seed ?? -1);
  const body = { seed: Math.max(-1, ...seeds) + 1 };
  if (bars) body.bars = bars;
  else if (state.locked.length) body.locked = state.locked;
  if (hand) body.hand = hand;
  complain(null);
  state.waits = !bars && !body.locked && !hand && !player.playing;
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
  if (!bars) setScope("whole");
  showBars();
  roll.draw();
}

function showBars() {
  const chosen = state.selection !== null;
  $("clear").disabled = $("loop").disabled = !chosen;
  $("loop").setAttribute("aria-pressed", String(state.loop));
  const within = chosen && state.locked.some(([a, b]) => a <= state.selection[0] && state.selection[1] <= b);
  $("lock").disabled = !chosen || within;
  $("locked").hidden = !state.locked.length;
  $("locked").querySelector("p").textContent = `Locked: ${state.locked.map(inWords).join(", ")}`;
  $("scope").hidden = !chosen;
  for (const button of $("scope").children) button.setAttribute("aria-pressed", String(button.dataset.scope === state.scope));
  if (chosen) $("scope").lastElementChild.textContent = state.selection[0] === state.selection[1] ? `Bar ${state.selection[0]}` : `Bars ${inWords(state.selection)}`;
  $("hand").hidden = !state.view?.shape?.hands;
  for (const button of $("hand").children) button.setAttribute("aria-pressed", String(button.dataset.hand === state.hand));
  $("anew").textContent = chosen || !state.hand ? "Perform anew" : `Perform the ${state.hand} hand anew`;
  $("anew").disabled = !(chosen || state.hand) || !state.view?.takes.some((take) => take.number) || Boolean(state.job);
  if (state.view) $("first").max = $("last").max = state.view.bars.length - 1;
}

const inWords = ([first, last]) => (first === last ? String(first) : `${first}–${last}`);

function setScope(scope) {
  if (state.scope === scope && scope === "whole") return;
  state.scope = scope;
  if (state.view?.shape) showPanel();
}

// Bars that are locked become one with those that they touch.
function lock(bars) {
  const all = [...state.locked, bars].sort((a, b) => a[0] - b[0]);
  const joined = [];
  for (const [first, last] of all) {
    if (joined.length && first <= joined.at(-1)[1] + 1) joined.at(-1)[1] = Math.max(joined.at(-1)[1], last);
    else joined.push([first, last]);
  }
  setLocked(joined);
}

function setLocked(locked) {
  state.locked = roll.locked = locked;
  showPanel();
  roll.draw();
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
    if (moved) roll.draw(); else roll.move();
  }
}

function frame() {
  if (player.playing) tick(false);
  requestAnimationFrame(frame);
}

// --- hands

const typing = (element) => element.matches?.("input[type=text], input[type=number], select, textarea");

window.addEventListener("keydown", (event) => {
  if (!state.view || typing(event.target)) return;
  const { key } = event, ctrl = event.ctrlKey || event.metaKey;
  const done = () => event.preventDefault();
  if (event.altKey) {
    const way = hand.on && { ArrowLeft: ["onset", -10], ArrowRight: ["onset", 10], ArrowUp: ["velocity", 3], ArrowDown: ["velocity", -3] }[key];
    if (way) { done(); hand.nudge(event.shiftKey && way[0] === "onset" ? { duration: 2 * way[1] } : { [way[0]]: way[1] }); }
    return;
  }
  if (ctrl && key.toLowerCase() === "z") { done(); (event.shiftKey ? $("redo") : $("undo")).click(); return; }
  if (ctrl) return;
  if (hand.on && (key === "[" || key === "]")) { done(); hand.pick(key === "[" ? -1 : 1); return; }
  const slider = event.target.matches?.("input[type=range]"), scroller = event.target === $("scroller");
  if (key === " " && !event.target.matches?.("button, summary, input[type=checkbox], a")) { done(); player.toggle(); }
  else if ((key === "ArrowLeft" || key === "ArrowRight") && !slider && !scroller) { done(); step(key === "ArrowLeft" ? -1 : 1); }
  else if (key === "Home" && !slider) { done(); seek(0); }
  else if (/^[0-9]$/.test(key) && state.view.takes[key]) { done(); hearTake(state.view.takes[key].key); }
  else if (key.toLowerCase() === "t" && state.before) { done(); hearTake(state.before); }
  else if (key.toLowerCase() === "l") { done(); toggleLoop(); }
  else if (key.toLowerCase() === "e") { done(); toggleEdit(); }
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
$("anew").onclick = () => perform(state.selection, state.hand);
$("hand").onclick = (event) => { state.hand = event.target.dataset.hand ?? state.hand; showBars(); };
$("clear").onclick = () => select(null);
$("loop").onclick = toggleLoop;
$("first").onchange = $("last").onchange = selectTyped;
$("undo").onclick = () => goBack("undo");
$("redo").onclick = () => goBack("redo");
$("edit").onclick = toggleEdit;
$("keep-draft").onclick = keepDraft;
$("drop-draft").onclick = dropDraft;
$("lock").onclick = () => lock([...state.selection]);
$("unlock").onclick = () => setLocked([]);
$("scope").onclick = (event) => { if (event.target.dataset.scope) { event.target.blur(); setScope(event.target.dataset.scope); showBars(); } };
$("record").onclick = () => $("recording").click();
$("recording").onchange = () => addRecording([...$("recording").files]);
$("binary").onchange = shape;
$("reset").onclick = async () => { await keepDraft(); await act(["scores", state.view.name, "change", "shape"], {}); };
$("job-cancel").onclick = () => { if (state.job) attempt(() => post(["jobs", String(state.job.number), "cancel"])); };
$("problem").querySelector("button").onclick = () => complain(null);
$("wider").onclick = () => roll.zoom(1.4);
$("narrower").onclick = () => roll.zoom(1 / 1.4);

const OWN = ["shape", "edit", "undo", "redo", "use", "name"];
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
  else if (event.event === "changed" && state.view?.name === event.name && !(state.acts && OWN.includes(event.what))) {
    const stays = state.heard === "draft" || ["name", "recording"].includes(event.what) || (player.playing && !["perform", "bars"].includes(event.what));
    attempt(() => refresh(event.name, stays ? state.heard : "newest"));
  }
}, () => attempt(async () => { state.model = null; state.ended.clear(); await lookAround(); if (state.view) await refresh(state.view.name); }));

window.studio = { player, roll, sheet, state }; // for the console, and for who measures
attempt(lookAround).finally(() => post(["wake"]).catch(() => {})); // what performs and sounds is loaded when the page is there
frame();
