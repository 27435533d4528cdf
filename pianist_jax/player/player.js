// Sound in a page: a button, a place to seek, the time. What is given is {type, data}, data in base64.
function soundUrl(sound) {
  const bytes = Uint8Array.from(atob(sound.data), c => c.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], {type: sound.type}));
}

// A transport within `row`: {audio, load(sound, at), toggle()}; `load` keeps on playing where something played.
function transport(row, label = "Play") {
  const audio = new Audio();
  const icon = path => `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
  const shown = [icon("M6 4l14 8-14 8z"), icon("M6 4h4v16H6zM14 4h4v16h-4z")];
  const button = document.createElement("button");
  const seek = document.createElement("input");
  const time = document.createElement("span");
  button.className = "player-play";
  button.type = "button";
  Object.assign(seek, {className: "player-seek", type: "range", min: 0, max: 1, step: 0.01, value: 0});
  seek.setAttribute("aria-label", "Place");
  time.className = "player-time";
  row.replaceChildren(button, seek, time);
  const clock = s => Math.floor(s / 60) + ":" + String(Math.floor(s % 60)).padStart(2, "0");
  const length = () => Number.isFinite(audio.duration) ? audio.duration : 0;
  const show = () => {
    seek.max = length() || 1;
    if (document.activeElement !== seek || !audio.paused) seek.value = audio.currentTime;
    time.textContent = clock(audio.currentTime) + " / " + clock(length());
  };
  const state = () => {
    button.innerHTML = shown[audio.paused ? 0 : 1];
    button.setAttribute("aria-label", audio.paused ? label : "Pause");
    show();
  };
  const toggle = () => { if (audio.paused) audio.play(); else audio.pause(); };
  const load = (sound, at = 0) => {
    const going = !audio.paused && !audio.ended;
    if (audio.src) URL.revokeObjectURL(audio.src);
    audio.src = soundUrl(sound);
    audio.currentTime = at;
    if (going) audio.play();
    state();
  };
  button.onclick = toggle;
  seek.oninput = () => { audio.currentTime = Number(seek.value); show(); };
  for (const name of ["play", "pause", "ended", "loadedmetadata", "durationchange"]) audio.addEventListener(name, state);
  audio.addEventListener("timeupdate", show);
  audio.addEventListener("seeked", show);
  state();
  return {audio, load, toggle};
}

// Where `x` comes among rising numbers, in fractions of their count.
function placeOf(numbers, x) {
  let low = 0, high = numbers.length - 1;
  if (high < 0 || x <= numbers[0]) return {k: 0, share: 0, before: x - (numbers[0] || 0)};
  if (x >= numbers[high]) return {k: high, share: 0, before: x - numbers[high]};
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (numbers[middle] <= x) low = middle; else high = middle;
  }
  return {k: low, share: (x - numbers[low]) / Math.max(numbers[low + 1] - numbers[low], 1), before: 0};
}

// The same place of the score in another take, ms; before the first and after the last chord the same way off.
function sameplace(from, to, ms) {
  const {k, share, before} = placeOf(from.places, ms);
  const next = Math.min(k + 1, to.places.length - 1);
  return Math.max(0, to.places[k] + share * (to.places[next] - to.places[k]) + before);
}

// Piano roll, tempo, velocities and pedal of one take, drawn for the moment `ms`.
function drawTake(canvas, take, hands, ms) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = width < 600 ? 420 : 480;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.style.height = height + "px";
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const g = canvas.getContext("2d"), css = getComputedStyle(document.documentElement);
  const colour = name => css.getPropertyValue("--" + name).trim();
  const [soft, line, accent, left, lit] = ["soft", "line", "accent", "left", "lit"].map(colour);
  const span = width < 600 ? 6000 : 12000, start = Math.max(0, ms - span * 0.3), end = start + span;
  const x = t => (t - start) / span * width;
  const [onset, duration, pitch, velocity] = take.notes;
  const low = Math.min(...pitch) - 2, high = Math.max(...pitch) + 2;
  const roll = {top: 20, height: height * 0.55}, tempo = {top: roll.top + roll.height + 12, height: height * 0.13};
  const loud = {top: tempo.top + tempo.height + 12, height: height * 0.12}, foot = {top: loud.top + loud.height + 12, height: height * 0.06};
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = "11px system-ui, sans-serif";
  g.lineWidth = 1;
  const [numbers, bars] = take.bars || [[], []];
  bars.forEach((t, k) => {
    if (t < start || t > end) return;
    g.fillStyle = line;
    g.fillRect(Math.round(x(t)), roll.top, 1, height - roll.top);
    g.fillStyle = soft;
    g.fillText(numbers[k], x(t) + 3, 13);
  });
  const row = roll.height / (high - low);
  for (let p = Math.ceil(low / 12) * 12; p < high; p += 12) {
    g.fillStyle = line;
    g.fillRect(0, roll.top + (high - p) * row, width, 1);
    g.fillStyle = soft;
    g.fillText("C" + (p / 12 - 1), 3, roll.top + (high - p) * row - 3);
  }
  const top = Math.max(...velocity);
  for (let n = 0; n < onset.length; n++) {
    if (onset[n] > end || onset[n] + duration[n] < start) continue;
    const sounding = onset[n] <= ms && ms < onset[n] + duration[n];
    g.fillStyle = sounding ? lit : hands && hands[n] ? left : accent;
    g.globalAlpha = sounding ? 1 : 0.3 + 0.7 * velocity[n] / top;
    g.fillRect(x(onset[n]), roll.top + (high - pitch[n]) * row - Math.max(4, row) / 2, Math.max(2, duration[n] / span * width - 1), Math.max(4, row - 1));
    g.fillRect(x(onset[n]), loud.top + loud.height * (1 - velocity[n] / 127), 2, loud.height * velocity[n] / 127);
  }
  g.globalAlpha = 1;
  const [times, values] = take.tempo || [[], []];
  if (values.length > 1) {
    const sorted = [...values].sort((a, b) => a - b), rank = share => sorted[Math.round(share * (sorted.length - 1))];
    const least = rank(0.05) * 0.85, most = rank(0.95) * 1.15, level = value => Math.min(1, Math.max(0, Math.log(value / least) / Math.log(most / least)));
    g.strokeStyle = accent;
    g.lineWidth = 1.5;
    g.beginPath();
    times.forEach((t, k) => { if (t > start - span && t < end + span) g.lineTo(x(t), tempo.top + tempo.height * (1 - level(values[k]))); });
    g.stroke();
    const {k} = placeOf(times, ms);
    label("tempo ♩ = " + Math.round(values[k]), tempo.top);
  }
  label("velocity", loud.top);
  g.fillStyle = accent;
  g.globalAlpha = 0.45;
  const [when, deep] = take.pedal;
  when.forEach((t, k) => {
    const until = k + 1 < when.length ? when[k + 1] : t + 1000;
    if (until < start || t > end || !deep[k]) return;
    g.fillRect(x(t), foot.top + foot.height * (1 - deep[k] / 127), (until - t) / span * width, foot.height * deep[k] / 127);
  });
  g.globalAlpha = 1;
  label("pedal", foot.top);
  g.fillStyle = lit;
  g.fillRect(x(ms) - 0.5, roll.top, 1.5, height - roll.top);
  return px => start + px / width * span;

  function label(text, y) {
    g.fillStyle = soft;
    g.textAlign = "right";
    g.fillText(text, width - 6, y + 2);
    g.textAlign = "left";
  }
}

// The page to send: takes, transport, roll.
function pianoPage(data, page) {
  const canvas = page.getElementById("roll"), group = page.getElementById("takes"), player = transport(page.getElementById("transport"));
  const {audio} = player;
  let now = 0, timeAt = () => 0, drawn = "";
  const draw = () => {
    const state = [now, audio.currentTime, canvas.clientWidth, matchMedia("(prefers-color-scheme: dark)").matches].join();
    if (state !== drawn) timeAt = drawTake(canvas, data.takes[now], data.hands, audio.currentTime * 1000);
    drawn = state;
    requestAnimationFrame(draw);
  };
  const buttons = data.takes.map((take, k) => {
    const button = page.createElement("button");
    button.textContent = data.takes.length > 1 ? String.fromCharCode(65 + k) + " · " + take.name : take.name;
    button.onclick = () => choose(k);
    return button;
  });
  const choose = k => {
    if (!data.takes[k]) return;
    const at = sameplace(data.takes[now], data.takes[k], audio.currentTime * 1000) / 1000;
    now = k;
    player.load(data.takes[k].sound, at);
    buttons.forEach((button, j) => button.setAttribute("aria-pressed", j === k));
  };
  group.replaceChildren(...(buttons.length > 1 ? buttons : []));
  if (buttons.length < 2) page.getElementById("many").hidden = true;
  canvas.onclick = event => { audio.currentTime = Math.max(0, timeAt(event.offsetX) / 1000); };
  page.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.tagName !== "BUTTON") player.toggle();
    else if (event.key === "ArrowLeft" && event.target.type !== "range") audio.currentTime = Math.max(0, audio.currentTime - 2);
    else if (event.key === "ArrowRight" && event.target.type !== "range") audio.currentTime += 2;
    else if (event.key >= "1" && event.key <= "9") choose(Number(event.key) - 1);
    else return;
    event.preventDefault();
  });
  choose(0);
  draw();
}
