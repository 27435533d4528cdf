// Requests to the server. All addresses are relative: the token is part of the page's own.

async function answer(response) {
  if (response.ok) return response.json();
  let told = `the studio answered ${response.status}`;
  try { told = (await response.json()).error || told; } catch { /* it said nothing */ }
  throw new Error(told);
}

const path = (...parts) => "api/" + parts.map(encodeURIComponent).join("/");
const reach = (address, options) => fetch(address, options).catch(() => { throw new Error("the studio does not answer; is it still running?"); });

export const get = async (...parts) => answer(await reach(path(...parts)));
export const view = async (name, width) => answer(await reach(`${path("scores", name)}?width=${width}`));
export const post = async (parts, body = {}) => answer(await reach(path(...parts), { method: "POST", body: JSON.stringify(body) }));
export const addExample = async (name, width) => answer(await reach(`${path("examples", name)}?width=${width}`, { method: "POST" }));
export const upload = async (file, width) => answer(await reach(`api/scores?name=${encodeURIComponent(file.name)}&width=${width}`, { method: "POST", body: file }));
export const uploadRecording = async (name, file) => answer(await reach(`${path("scores", name, "recordings")}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file }));
export const tryShape = async (name, wish, sample) => answer(await reach(`${path("scores", name, "shaped")}?sample=${sample}`, { method: "POST", body: JSON.stringify(wish) }));
export const pages = async (name, width, from) => answer(await reach(`${path("scores", name, "pages")}?width=${width}&from=${from}`));
export const fileAddress = (name, file) => path("scores", name, "files", file);
export const pictureAddress = (name, key) => path("scores", name, "takes", key, "picture");
export const archiveAddress = (name) => path("scores", name, "archive");
export const soundAddress = (key, query = "") => path("sounds", key) + query;

// One stream for everything; after a break the page looks for itself.
export function listen(onEvent, onAgain) {
  const source = new EventSource("api/events");
  let broken = false;
  source.onopen = () => { if (broken) onAgain(); broken = false; };
  source.onerror = () => { broken = true; };
  source.onmessage = (message) => onEvent(JSON.parse(message.data));
}
