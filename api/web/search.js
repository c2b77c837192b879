// The search page: words and filters live in the address, answers come from
// /api/assets/search. No text from an answer is ever parsed as a page.

import { call, hasToken, whenGiven } from "./token.js";

const FACETS = { type: "Type", tags: "Tags", model: "Model", speaker: "Speaker", status: "Status" };
const FILTERS = { ...FACETS, uses: "Made with" };
const PER_PAGE = 24;
const DEBOUNCE_MS = 120;

const $ = (id) => document.getElementById(id);
const [form, words, user] = ["form", "words", "user"].map($);
const [count, notice, facets, hits, more] = ["count", "notice", "facets", "hits", "more"].map($);

let page = 1;
let running = null;
let timer = 0;

// --- the address is the state ---------------------------------------------------

function readAddress() {
  const given = new URLSearchParams(location.search);
  const chosen = {};
  for (const name of Object.keys(FILTERS)) {
    chosen[name] = given.getAll(name);
  }
  return { q: given.get("q") ?? "", userId: given.get("userId") ?? "", chosen };
}

function addressOf(state) {
  const query = new URLSearchParams();
  if (state.q) query.set("q", state.q);
  if (state.userId) query.set("userId", state.userId);
  for (const [name, values] of Object.entries(state.chosen)) {
    for (const value of values) query.append(name, value);
  }
  return query.size ? `?${query}` : location.pathname;
}

function writeAddress(state, replace) {
  history[replace ? "replaceState" : "pushState"](null, "", addressOf(state));
}

// --- asking ---------------------------------------------------------------------

function question(state) {
  const query = new URLSearchParams({ page, perPage: PER_PAGE, facets: Object.keys(FACETS) });
  if (state.q.trim()) query.set("q", state.q);
  else query.set("sort", "createdAt");
  if (state.userId) query.set("userId", state.userId);
  for (const [name, values] of Object.entries(state.chosen)) {
    for (const value of values) query.append(name, value);
  }
  return `/api/assets/search?${query}`;
}

async function ask() {
  running?.abort();
  const mine = (running = new AbortController());
  const state = readAddress();
  hits.setAttribute("aria-busy", "true");
  try {
    const response = await call(question(state), { signal: mine.signal });
    const answer = await response.json();
    if (mine.signal.aborted) return;
    if (response.ok) show(answer, state);
    else complain(answer.detail ?? response.statusText);
  } catch (error) {
    if (error.name !== "AbortError") complain("The catalog does not answer. Is it running?");
  } finally {
    if (running === mine) hits.removeAttribute("aria-busy");
  }
}

function restart() {
  page = 1;
  ask();
}

// --- showing --------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Snippets are escaped text with <mark>: keep text and marks, nothing else. */
function marked(snippet) {
  const parsed = new DOMParser().parseFromString(snippet, "text/html");
  return [...parsed.body.childNodes].map((node) =>
    node.nodeName === "MARK" ? element("mark", {}, node.textContent) : node.textContent,
  );
}

function complain(text) {
  notice.textContent = text;
  notice.hidden = false;
}

function show(answer, state) {
  notice.hidden = true;
  if (answer.degraded) {
    complain("The search index is away: these answers come straight from the records, "
      + "without typo tolerance and facets.");
  }
  const number = answer.found.toLocaleString();
  count.textContent = `${number} ${answer.found === 1 ? "asset" : "assets"} · ${answer.tookMs} ms`;
  const items = answer.hits.map((hit) => hitItem(hit, state.userId));
  if (page === 1) hits.replaceChildren(...items);
  else hits.append(...items);
  more.hidden = page * PER_PAGE >= answer.found || page * PER_PAGE >= 10_000;
  showFacets(answer.facets ?? {}, state);
}

function showFacets(counted, state) {
  const focused = document.activeElement?.id;
  const groups = Object.entries(FILTERS).map(([name, title]) => {
    const chosen = new Set(state.chosen[name]);
    const values = [...(counted[name] ?? [])].slice(0, 12);
    for (const value of chosen) {
      if (!values.some((one) => one.value === value)) values.push({ value, count: null });
    }
    if (!values.length) return null;
    const boxes = values.map(({ value, count: times }) => facetBox(name, value, times, chosen));
    return element("fieldset", {}, element("legend", {}, title), ...boxes);
  });
  facets.replaceChildren(...groups.filter(Boolean));
  if (focused) $(focused)?.focus();
}

function facetBox(name, value, times, chosen) {
  const box = element("input", { type: "checkbox", id: `facet-${name}-${value}` });
  box.checked = chosen.has(value);
  box.addEventListener("change", () => {
    const state = readAddress();
    const others = state.chosen[name].filter((one) => one !== value);
    state.chosen[name] = box.checked ? [...others, value] : others;
    writeAddress(state, false);
    restart();
  });
  const number = times === null ? null : element("span", { class: "number" }, String(times));
  return element("label", {}, box, String(value), number);
}

function hitItem(hit, userId) {
  const body = element("div", {},
    element("h2", {}, hit.name || hit.assetId),
    element("p", { class: "facts" }, facts(hit)),
    hit.tags?.length ? element("p", { class: "tags" }, hit.tags.map((tag) => `#${tag}`).join("  ")) : null,
  );
  for (const { field, snippet } of hit.highlights ?? []) {
    if (field === "name") body.firstChild.replaceChildren(...marked(snippet));
    // What a recording is about is said by its moments.
    else if (field !== "keywords") body.append(element("p", { class: "snippet" }, ...marked(snippet)));
  }
  if (hit.moments?.length) {
    body.append(element("ul", { class: "moments" }, ...hit.moments.map(momentItem)));
  }
  const button = element("button", { type: "button", "aria-label": `Download ${hit.name}` }, "Download");
  button.addEventListener("click", () => download(hit.assetId));
  body.append(button);
  if (hit.type === "lora" || hit.type === "dataset") {
    const made = { q: "", userId, chosen: { uses: [hit.assetId] } };
    body.append(" ", element("a", { href: addressOf(made) }, "What was made with it"));
  }
  return element("li", {}, picture(hit, userId), body);
}

/** Every asset has one: a poster, a waveform, a preview, or a drawn sign. */
function picture(hit, userId) {
  const query = new URLSearchParams({ size: 256, ...(userId && { userId }) });
  const own = `/api/assets/${encodeURIComponent(hit.assetId)}/thumbnail?${query}`;
  const source = hasToken() ? hit.thumbnailUrl : own; // pictures are loaded without tokens
  return element("img", { class: "picture", src: source, alt: hit.prompt ?? "", loading: "lazy" });
}

function facts(hit) {
  const size = hit.width && hit.height ? `${hit.width} × ${hit.height}` : null;
  const length = hit.duration ? clock(hit.duration * 1000) : null;
  const day = hit.createdAt ? new Date(hit.createdAt).toLocaleDateString() : null;
  return [hit.type, hit.model, size, length, hit.status, hit.userId, day].filter(Boolean).join(" · ");
}

function momentItem(moment) {
  const at = moment.startMs === null ? null : element("time", {}, clock(moment.startMs));
  const who = moment.speaker ? `${moment.speaker}: ` : "";
  return element("li", {}, at, who, ...marked(moment.snippet));
}

function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return (parts[0] ? parts : parts.slice(1)).map((part) => String(part).padStart(2, "0")).join(":");
}

async function download(assetId) {
  const { userId } = readAddress();
  const query = userId ? `?${new URLSearchParams({ userId })}` : "";
  try {
    const response = await call(`/api/assets/${encodeURIComponent(assetId)}/download${query}`);
    const answer = await response.json();
    if (response.ok) window.open(answer.url, "_blank", "noopener");
    else complain(answer.detail);
  } catch {
    complain("The catalog does not answer. Is it running?");
  }
}

// --- what a person does ---------------------------------------------------------

function fillForm() {
  const state = readAddress();
  words.value = state.q;
  user.value = state.userId;
}

whenGiven(restart);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    writeAddress({ ...readAddress(), q: words.value, userId: user.value.trim() }, true);
    restart();
  }, DEBOUNCE_MS);
});
more.addEventListener("click", () => {
  page += 1;
  ask();
});
window.addEventListener("popstate", () => {
  fillForm();
  restart();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !(event.target instanceof HTMLInputElement)) {
    event.preventDefault();
    words.focus();
  }
});

fillForm();
restart();
