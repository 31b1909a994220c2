// The page: one setting, its answer, and the real training laid over it. The address bar says the setting.

import { ask, wordsOf } from "./ask.js";
import { Axis, drawCurve, drawSpectrum } from "./charts.js";
import { Control } from "./controls.js";
import { drawPipeline } from "./pictures.js";
import { drawRanking } from "./ranking.js";

const $ = (id) => document.getElementById(id);
const { known, setting: first, answer: given, problem } = JSON.parse($("data").textContent);
const SOON = 300; // ms without an answer after which the old one is shown as old
const PATIENCE = 2000; // ms that an answer may take before a further change gives it up: a busy server keeps the place in line

const state = {
  own: "", // the token of an own source
  answer: null, run: null, pinned: null, story: null,
  wanted: null, asked: null, asking: null, training: null, ranking: null, trainNext: false,
};
const axes = { curve: new Axis(7), spectrum: new Axis(9) };
const controls = Object.fromEntries(known.controls.map((one) => [one.name, new Control(one, moved)]));
for (const control of Object.values(controls)) (control.main ? $("few") : $("rest")).append(control.box);

const settingNow = () => Object.fromEntries(Object.values(controls).map((one) => [one.name, one.value]));

function queryOf(setting) {
  const changed = known.controls.filter((one) => String(setting[one.name]) !== String(one.start));
  return new URLSearchParams(changed.map((one) => [one.name, setting[one.name]])).toString();
}

function fromQuery(query) {
  const words = new URLSearchParams(query);
  return Object.fromEntries(known.controls.map((one) => [one.name, words.get(one.name) ?? one.start]));
}

function show(setting) {
  for (const [name, value] of Object.entries(setting)) controls[name].value = value;
  const prompt = known.prompts.includes(setting.input_map);
  const matters = { depth: known.small.includes(setting.source), frame: prompt, mask: prompt };
  for (const [name, does] of Object.entries(matters)) {
    controls[name].input.disabled = !does;
    controls[name].box.classList.toggle("idle", !does);
  }
}

// A source that hears series and a task of images do not meet: the one that was not touched gives way.
function mended(setting, touched) {
  const kind = known.kinds[setting.source];
  if (!kind || kind === known.tasks[setting.task]) return "";
  if (touched === "task") setting.source = kind === "series" ? "trained" : "crepe-tiny";
  else setting.task = kind === "series" ? "gunpoint" : "digits";
  const name = touched === "task" ? "source" : "task";
  const label = controls[name].options.find(([, value]) => value === setting[name])[0];
  return `The ${name} is now ${label}: ${kind === "series" === (touched !== "task") ? "this goes with series" : "this goes with images"}.`;
}

function moved(name) {
  if (!state.story?.moves.includes(name)) leaveStory();
  const setting = settingNow();
  $("notice").textContent = mended(setting, name);
  show(setting);
  want(setting);
}

// Asking: one question at a time, and then the newest; a slow one is given up for it.

function want(setting) {
  state.wanted = queryOf(setting);
  state.trainNext = false;
  stopTraining();
  stopRanking();
  if (!state.asking) next();
  else setTimeout(giveUp, Math.max(0, state.asked + PATIENCE - performance.now()));
}

function giveUp() {
  const late = performance.now() - state.asked >= PATIENCE;
  if (late && state.asking && state.asking.query !== state.wanted) state.asking.abort();
}

async function next() {
  const query = state.wanted, asking = new AbortController(), slow = setTimeout(() => busy("computing"), SOON);
  asking.query = query;
  [state.asking, state.asked] = [asking, performance.now()];
  const words = { setting: query, own: state.own };
  if (state.answer) words.was = state.answer.query;
  try {
    for await (const [kind, content] of ask("answer", words, asking.signal)) {
      clearTimeout(slow);
      told(kind, content);
    }
  } catch (error) {
    if (!asking.signal.aborted) mistake(wordsOf(error));
  }
  clearTimeout(slow);
  state.asking = null;
  if (state.wanted !== query) return next();
  idle();
  if (state.trainNext) train();
}

function told(kind, content) {
  if (kind === "place") busy(`waiting for other visitors: ${content === 1 ? "you are next" : `${content - 1} before you`}`);
  else if (kind === "share") busy(state.training ? "training" : "computing", content);
  else if (kind === "answer") answered(content);
  else if (kind === "refused" || kind === "failed") nothing(content);
}

function busy(words, share) {
  if (!state.training && !state.ranking) $("shown").classList.add("stale");
  $("status").textContent = words;
  $("progress").hidden = false;
  if (share === undefined) $("progress").removeAttribute("value");
  else $("progress").value = share;
  $("stop").disabled = false;
}

function idle() {
  $("shown").classList.remove("stale");
  $("progress").hidden = true;
  if (!state.training) $("stop").disabled = true;
  if (/^(waiting|computing|training|reading)/.test($("status").textContent)) $("status").textContent = "";
}

function mistake(words) {
  $("alert").textContent = words;
  $("alert").hidden = false;
  idle();
}

function nothing(words) {
  state.answer = state.run = null;
  for (const id of ["headline", "outcome", "changed", "finding"]) $(id).textContent = "";
  for (const id of ["curve", "spectrum", "pipeline", "table"]) $(id).replaceChildren();
  $("train").disabled = $("pin").disabled = true;
  mistake(words);
}

// Showing.

function answered(answer) {
  [state.answer, state.run, state.ended] = [answer, null, null];
  $("alert").hidden = true;
  $("headline").textContent = answer.headline;
  clearTimeout(state.speaking); // not every place of a dragged slider
  state.speaking = setTimeout(() => ($("spoken").textContent = answer.headline), 700);
  $("outcome").textContent = "";
  $("changed").textContent = answer.changed ?? "";
  $("finding").textContent = answer.finding;
  $("train").disabled = $("pin").disabled = false;
  if (state.wanted === answer.query) history.replaceState(null, "", answer.query && answer.setting.source !== "own" ? `?${answer.query}` : location.pathname);
  draw();
}

function draw() {
  const { answer, run, pinned } = state;
  if (!answer) return;
  const { source, depth, task, loss } = answer.setting;
  const key = [source, known.small.includes(source) ? depth : "", task, loss, pinned?.query].join();
  drawCurve($("curve"), axes.curve, key, { answer, run, pinned });
  drawSpectrum($("spectrum"), axes.spectrum, key, { answer, pinned });
  drawPipeline($("pipeline"), run && state.ended ? { ...answer, ...state.ended } : answer);
  const rows = Object.entries(answer.numbers).map(([name, number]) => {
    const row = document.createElement("tr"), head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    for (const words of [number, ...(pinned ? [pinned.numbers[name]] : [])]) row.append(Object.assign(document.createElement("td"), { textContent: words }));
    return row;
  });
  $("pinned_head").hidden = !pinned;
  $("table").replaceChildren(...rows);
  tell();
}

// Real training.

function stopTraining() {
  state.training?.abort();
  state.training = null;
}

async function train() {
  state.trainNext = Boolean(state.asking);
  if (!state.answer || state.asking) return;
  stopTraining();
  stopRanking();
  const answer = state.answer, training = (state.training = new AbortController());
  state.run = state.ended = null;
  const losses = [];
  busy("training");
  try {
    for await (const [kind, content] of ask("train", { setting: answer.query, own: state.own }, training.signal)) {
      if (state.answer !== answer) break;
      if (kind === "run" || kind === "done") {
        losses.push(...content.losses);
        state.run = { losses };
        busy("training", losses.length / (answer.steps + 1));
        if (kind === "done") {
          $("outcome").textContent = content.outcome;
          $("headline").textContent = answer.headline.replace("; expect ", "; expected: ").replace(" Train it to check.", "");
        }
        if (content.pictures) state.ended = content;
        draw();
      } else if (kind === "refused" || kind === "failed") mistake(content);
      else told(kind, content);
    }
  } catch (error) {
    if (!training.signal.aborted) mistake(wordsOf(error));
  }
  if (state.training === training) state.training = null;
  idle();
}

// Which source for this task?

function stopRanking() {
  state.ranking?.abort();
  state.ranking = null;
  $("ranking").hidden = true;
  $("pipeline").hidden = $("charts").hidden = $("headline").hidden = $("train").hidden = false;
  $("rank").setAttribute("aria-pressed", "false");
}

function openRow(query) {
  remember();
  const setting = fromQuery(query);
  show(setting);
  want(setting);
}

async function rank() {
  stopTraining();
  const ranking = (state.ranking = new AbortController());
  leaveStory();
  state.ranked = null;
  $("outcome").textContent = "";
  $("rank").setAttribute("aria-pressed", "true");
  $("ranking").hidden = false;
  $("pipeline").hidden = $("charts").hidden = $("headline").hidden = $("train").hidden = true; // they are about one source
  drawRanking($("ranking"), null, openRow);
  busy("computing");
  try {
    for await (const [kind, content] of ask("rank", { setting: queryOf(settingNow()), own: state.own }, ranking.signal)) {
      if (kind === "ranked") drawRanking($("ranking"), (state.ranked = content), openRow);
      else told(kind, content);
    }
  } catch (error) {
    if (!ranking.signal.aborted) mistake(wordsOf(error));
  }
  idle();
}

// The way back: a story or a row leaves the setting before it behind, where the browser's button finds it.

const remember = () => history.pushState(null, "", location.href);

addEventListener("popstate", () => {
  leaveStory();
  const setting = fromQuery(location.search);
  show(setting);
  want(setting);
});

// Stories.

function fill(words) {
  const say = (facts, name) => (name === "accuracy" ? `${Math.round(100 * facts.accuracy)}%` : Number(facts[name].toPrecision(3)).toLocaleString("en"));
  return words.replace(/\{(pinned\.)?(\w+)\}/g, (_, pinned, name) => say((pinned ? state.pinned : state.answer).facts, name));
}

function tell() {
  const story = state.story, there = state.answer?.query === story?.shown || story?.moves.length;
  if (!story) return;
  $("story").hidden = false;
  $("tale").textContent = story.before;
  $("tail").textContent = there && (story.pinned === null || state.pinned) ? fill(story.after) : "";
  $("notebook").textContent = `this is told in notebook ${story.notebook}`;
}

// On a phone the control that a story asks to move stands with the picture; elsewhere it has its place beside it.
function lend(name) {
  state.lent?.place.replaceWith(state.lent.box);
  state.lent = null;
  if (!name || !matchMedia("(max-width: 760px)").matches) return;
  const { box } = controls[name], place = document.createComment("");
  box.replaceWith(place);
  $("hand").append(box);
  state.lent = { box, place };
}

function leaveStory() {
  lend();
  for (const button of $("stories").querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
  if (state.story?.pinned != null) state.pinned = null;
  state.story = null;
  $("story").hidden = true;
  $("pin").textContent = state.pinned ? "Unpin" : "Pin";
}

async function begin(story, button) {
  leaveStory();
  state.story = story;
  lend(story.moves[0]);
  remember();
  button.setAttribute("aria-pressed", "true");
  state.pinned = null;
  const setting = fromQuery(story.shown);
  $("more").open = known.controls.some((one) => !one.main && String(setting[one.name]) !== String(one.start));
  show(setting);
  want(setting);
  if (story.pinned !== null) {
    try {
      for await (const [kind, content] of ask("answer", { setting: story.pinned })) if (kind === "answer" && state.story === story) state.pinned = { ...content, grey: story.grey };
    } catch {
      return; // the question beside it says what is wrong
    }
    $("pin").textContent = state.pinned ? "Unpin" : "Pin";
    draw();
  }
}

for (const [i, story] of known.stories.entries()) {
  const item = document.createElement("li"), button = document.createElement("button");
  Object.assign(button, { type: "button", textContent: `${i ? "" : "Begin: "}${i + 1} ${story.title}` });
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => begin(story, button));
  item.append(button);
  $("stories").append(item);
}

{
  const item = document.createElement("li"), button = document.createElement("button");
  Object.assign(button, { id: "rank", type: "button", textContent: `${known.stories.length + 1} Which source?` });
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", rank);
  item.append(button);
  $("stories").append(item);
}

// Buttons.

$("train").addEventListener("click", train);
$("stop").addEventListener("click", () => {
  stopTraining();
  if (state.ranking && state.ranked) drawRanking($("ranking"), { ...state.ranked, words: "Stopped before all were computed." }, openRow);
  state.ranking?.abort();
  if (state.answer) state.wanted = state.answer.query;
  state.asking?.abort();
  idle();
  $("status").textContent = "Stopped; what is shown stays as it was.";
  if (state.answer) show(state.answer.setting);
});
$("pin").addEventListener("click", () => {
  state.pinned = state.pinned ? null : state.answer;
  $("pin").textContent = state.pinned ? "Unpin" : "Pin";
  draw();
});
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    $("status").textContent = "The link to this setting is copied.";
  } catch {
    $("status").textContent = "The link to this setting is in the address bar.";
  }
});
$("reset").addEventListener("click", () => {
  leaveStory();
  state.pinned = null;
  $("pin").textContent = "Pin";
  $("more").open = false;
  const setting = fromQuery("");
  show(setting);
  want(setting);
});

$("upload").addEventListener("change", async () => {
  const file = $("upload").files[0];
  if (!file) return;
  if (file.size > known.largest) return mistake(`own file: it has ${Math.round(file.size / 1e6)} MB; give at most ${known.largest / 1e6} MB.`);
  busy("reading your file");
  try {
    farewell();
    const answer = await fetch(`upload?${new URLSearchParams({ name: file.name })}`, { method: "POST", body: file });
    const found = answer.ok ? await answer.json() : { refused: await answer.text() };
    if (found.refused) return mistake(found.refused);
    state.own = found.own;
    known.kinds.own = found.axes === 3 ? "images" : "series";
    controls.source.offer(found.words, "own");
    const setting = settingNow();
    setting.source = "own";
    $("notice").textContent = mended(setting, "source");
    show(setting);
    want(setting);
  } catch (error) {
    mistake(wordsOf(error));
  } finally {
    $("upload").value = "";
    idle();
  }
});

function farewell() {
  if (state.own) navigator.sendBeacon(`farewell?${new URLSearchParams({ own: state.own })}`);
  state.own = "";
}
addEventListener("pagehide", farewell);
addEventListener("pageshow", (event) => event.persisted && location.reload()); // an own file has gone with the page
new ResizeObserver(() => requestAnimationFrame(draw)).observe($("charts"));

// The beginning.

show(first);
if (known.controls.some((one) => !one.main && String(first[one.name]) !== String(one.start))) $("more").open = true;
if (given) {
  state.wanted = given.query;
  answered(given);
} else want(first);
if (problem) mistake(problem);
