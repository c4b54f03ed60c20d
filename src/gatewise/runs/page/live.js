// The page of runs: curves, gradients and updates, weights as images, the circuit. `open` is all that is exported.
import { figures, spoken, wordsOf } from "./words.js";
import { Store } from "./store.js";
import { Chart } from "./chart.js";

const ASK_EVERY = 1000; // milliseconds
const SILENT_AFTER = 15; // seconds without a commit, after which a run may have been cut short
const HEALTHY = 1e-3; // update:weight, in the notes' words "somewhere around 1e-3"
const PARAMETERS = 40; // whose charts are shown

// Okabe and Ito's colours, which colour-blind readers tell apart; the letters do so, too
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f"];

const make = (name, className = "", text = "") => Object.assign(document.createElement(name), { className, textContent: text });

const letterOf = (run) => String.fromCharCode(65 + (run.place % 26)) + (run.place >= 26 ? Math.floor(run.place / 26) : "");

const colourOf = (run) => COLOURS[run.place % COLOURS.length];

const age = (words, seconds) => {
  const units = [[86400, words.days], [3600, words.hours], [60, words.minutes], [1, words.seconds]];
  const [size, unit] = units.find(([length]) => seconds >= length) ?? units.at(-1);
  return `${Math.floor(seconds / size)}${unit.startsWith(" ") ? unit : ` ${unit}`}`;
};

/** The last word of a metric's name says which chart it belongs to: validation_loss to loss. */
const chartOf = (name) => name.split(/[_ ]+/).at(-1);

/** Red for positive, blue for negative, white for zero; black where a cell is not finite. */
const paint = (canvas, image, tile, largest) => {
  const { height, width, low, high } = image;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let cell = 0; cell < height * width; cell += 1) {
    const byte = image.bytes[tile * height * width + cell];
    const share = largest ? (low + ((high - low) * byte) / 252) / largest : 0;
    const [red, green, blue] = share > 0 ? [178, 24, 43] : [33, 102, 172];
    const strength = Math.min(Math.abs(share), 1);
    const mixed = byte > 252 ? [0, 0, 0] : [red, green, blue].map((end) => 247 + (end - 247) * strength);
    pixels.data.set([...mixed, 255], 4 * cell);
  }
  context.putImageData(pixels, 0, 0);
};

/** Show runs in an element: those of `data`, or, where that is null, those that `ask` fetches every second. */
export const open = (root, { data = null, ask = null, mount, language = "en" }) => {
  const store = new Store();
  let words = wordsOf(language);
  let chosen = null; // whose weights and circuit are shown
  let charts = new Map();
  let viewer = null; // { page, run, step } of the circuit that is shown
  let follow = true;
  let sections = {};

  const pointAll = (step, at) => { for (const chart of charts.values()) chart.point(step, chart === at); };

  const section = (name, isHinted = true) => {
    const made = make("section", name);
    made.append(make("h2", "", words[name]), ...(isHinted ? [make("p", "hint", words[`${name}Hint`])] : []));
    const content = make("div", "content");
    made.append(content);
    made.hidden = true;
    sections[name] = { made, content };
    return made;
  };

  const build = () => {
    const header = make("header");
    const switcher = make("button", "language", words.other);
    switcher.type = "button";
    switcher.addEventListener("click", () => { language = language === "zh" ? "en" : "zh"; words = wordsOf(language); restart(); });
    header.append(make("h1", "", words.title), make("p", "trouble"), switcher);
    root.replaceChildren(header, section("runs", false), section("curves"), section("parameters"), section("images"), section("circuit"));
    document.documentElement.lang = language;
  };

  const restart = () => {
    viewer?.page.destroy();
    viewer = null;
    charts = new Map();
    sections = {};
    build();
    update();
  };

  // --- the runs ---------------------------------------------------------------------------------------------------

  const stateOf = ({ summary }) => {
    const quiet = store.now - summary.updated;
    if (summary.state !== "running") return { kind: summary.state, text: `${words[summary.state]}${summary.reason ? `: ${summary.reason}` : ""}` };
    return quiet > SILENT_AFTER ? { kind: "silent", text: words.silent(age(words, quiet)) } : { kind: "running", text: words.running };
  };

  /** What the last values say, in a word. */
  const verdictOf = (run) => {
    const wrong = run.of("metric").find((one) => typeof one.latest === "string");
    if (wrong) return { kind: "failed", text: words.isBroken(spoken(words, wrong.name)) };
    const ratios = run.of("ratio").flatMap((one) => one.points.slice(-10).map((point) => point.mean)).filter((mean) => mean > 0).sort((a, b) => a - b);
    if (!ratios.length) return null;
    const middle = ratios[Math.floor(ratios.length / 2)];
    const kind = middle > 10 * HEALTHY ? "fast" : middle < HEALTHY / 10 ? "slow" : "healthy";
    return { kind, text: `${words.verdict[kind]}: ${figures(middle)}` };
  };

  const card = (run) => {
    const made = make("div", `card${run === chosen ? " chosen" : ""}${run.shown ? "" : " off"}`);
    made.style.borderColor = colourOf(run);
    const toggle = make("button", "toggle");
    toggle.type = "button";
    toggle.title = words.hide;
    toggle.setAttribute("aria-pressed", run.shown);
    const letter = make("b", "letter", letterOf(run));
    letter.style.background = colourOf(run);
    toggle.append(letter, make("span", "name", run.summary.name));
    toggle.addEventListener("click", () => { run.shown = !run.shown; update(); });
    const state = stateOf(run);
    const badge = make("span", `state ${state.kind}`, state.text);
    const numbers = make("dl");
    for (const [name, latest] of [[words.step, run.summary.step.toLocaleString("en").replaceAll(",", " ")], ...Object.entries(run.summary.latest)]) {
      const shown = name === words.step ? latest : figures(latest);
      numbers.append(make("dt", "", spoken(words, name)), make("dd", typeof latest === "string" && name !== words.step ? "broken" : "", shown));
    }
    const settings = Object.entries(run.summary.settings).map(([name, value]) => `${name} ${value}`).join(" · ");
    const verdict = verdictOf(run);
    made.append(toggle, badge, numbers);
    if (verdict) made.append(make("p", `verdict ${verdict.kind}`, verdict.text));
    made.append(make("p", "settings", [settings, run.summary.file].filter(Boolean).join(" · ")));
    return made;
  };

  // --- curves and parameters --------------------------------------------------------------------------------------

  const line = (run, series, dash = "", label = run.summary.name) => ({ points: series.points, colour: colourOf(run), letter: letterOf(run), label, dash });

  const chart = (parent, key, title, options) => {
    if (!charts.has(key)) {
      const made = new Chart(title, { ...options, words, onPoint: pointAll });
      charts.set(key, made);
      parent.append(made.figure);
    }
    return charts.get(key);
  };

  const showCurves = (runs) => {
    const names = [...new Set(runs.flatMap((run) => run.of("metric").map((one) => one.name)))];
    const groups = Map.groupBy(names, chartOf);
    sections.curves.made.hidden = !names.length;
    sections.curves.made.querySelector(".hint").textContent = words.curvesHint + (names.some((name) => name.startsWith("validation")) ? ` ${words.dashed}` : "");
    for (const [group, members] of groups) {
      const plain = members.includes(group) ? group : members.find((name) => name.startsWith("training")) ?? members[0];
      const lines = members.flatMap((name) => runs.flatMap((run) => {
        const series = run.get("metric", name);
        return series ? [line(run, series, name === plain ? "" : "6 4", `${run.summary.name}, ${spoken(words, name)}`)] : [];
      }));
      chart(sections.curves.content, `metric ${group}`, spoken(words, group), { bounded: group === "accuracy" }).show(lines);
    }
  };

  const showParameters = (runs) => {
    const names = [...new Set(runs.flatMap((run) => [...run.of("gradient"), ...run.of("ratio")].map((one) => one.name)))];
    sections.parameters.made.hidden = !names.length;
    for (const name of names.slice(0, PARAMETERS)) {
      const of = (kind) => runs.flatMap((run) => { const series = run.get(kind, name); return series?.points.length ? [line(run, series)] : []; });
      const parent = sections.parameters.content;
      for (const [kind, guide] of [["ratio", HEALTHY], ["gradient", null]]) {
        const lines = of(kind);
        if (lines.length || charts.has(`${kind} ${name}`)) chart(parent, `${kind} ${name}`, `${name}: ${words[kind]}`, { log: true, guide }).show(lines);
      }
    }
  };

  // --- weights and circuit of one run -----------------------------------------------------------------------------

  const chooser = (runs) => {
    const made = make("div", "chooser");
    for (const run of runs) {
      const pick = make("button", run === chosen ? "on" : "", `${letterOf(run)} ${run.summary.name}`);
      pick.type = "button";
      pick.setAttribute("aria-pressed", run === chosen);
      pick.title = `${words.details} ${run.summary.name}`;
      pick.addEventListener("click", () => { chosen = run; follow = true; update(); });
      made.append(pick);
    }
    return made;
  };

  const heatMap = (image) => {
    image.bytes ??= Uint8Array.from(atob(image.cells), (letter) => letter.charCodeAt(0));
    const largest = Math.max(Math.abs(image.low), Math.abs(image.high));
    const made = make("figure", "image");
    const shape = image.shape.length === 1 ? `(${image.shape[0]},)` : image.shape.join("×");
    const caption = make("figcaption");
    caption.append(make("span", "name", image.name), ` ${shape}`);
    const tiles = make("div", "tiles");
    const scale = Math.max(1, Math.floor((image.tiles > 1 ? 56 : 220) / Math.max(image.width, image.height)));
    for (let tile = 0; tile < image.tiles; tile += 1) {
      const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
      canvas.style.width = `${Math.max(image.width * scale, 4)}px`;
      canvas.style.height = `${Math.max(image.height * scale, image.height === 1 ? 14 : 4)}px`;
      paint(canvas, image, tile, largest);
      tiles.append(canvas);
    }
    const legend = make("div", "legend");
    legend.append(`${figures(-largest)}`, make("i", "ramp"), figures(largest));
    if (image.bytes.some((byte) => byte > 252)) legend.append(make("b", "hole", words.broken));
    made.append(caption, tiles, legend);
    const whole = image.shape.slice(0, -2).reduce((count, length) => count * length, 1);
    if (whole > image.tiles) made.append(make("p", "hint", words.tiles(image.tiles, whole)));
    return made;
  };

  const showImages = (runs) => {
    const { made, content } = sections.images;
    const withImages = runs.filter((run) => run.images.size);
    made.hidden = !withImages.length;
    if (made.hidden) return;
    const shown = withImages.includes(chosen) ? [...chosen.images.values()] : [];
    shown.sort((a, b) => (b.shape.length > 2) - (a.shape.length > 2) || b.height - a.height);
    const maps = make("div", "maps");
    maps.append(...shown.map(heatMap));
    content.replaceChildren(chooser(withImages), maps);
  };

  const showCircuit = (runs) => {
    const { made, content } = sections.circuit;
    const withCircuit = runs.filter((run) => run.circuit);
    made.hidden = !withCircuit.length;
    if (made.hidden || !withCircuit.includes(chosen)) return;
    if (!content.querySelector(".box")) content.replaceChildren(make("div", "bar"), make("div", "box"));
    const bar = content.querySelector(".bar");
    const label = make("label", "");
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: follow });
    box.addEventListener("change", () => { follow = box.checked; update(); });
    label.append(box, words.follow);
    const { circuit } = chosen;
    if (!viewer || viewer.run !== chosen || (follow && viewer.step !== circuit.step)) {
      const scene = { ...circuit.scene, title: `${chosen.summary.name}, ${words.atStep(circuit.step)}` };
      if (viewer?.run === chosen) viewer.page.show(scene);
      else {
        viewer?.page.destroy();
        const place = content.querySelector(".box");
        const inner = make("div");
        // The page is scrolled past the circuit; with Ctrl the wheel zooms in it
        inner.addEventListener("wheel", (event) => { if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); }, { capture: true });
        place.replaceChildren(inner);
        const page = mount(inner, scene, { language });
        for (const kind of ["pointerdown", "keydown"]) inner.addEventListener(kind, () => { follow = false; content.querySelector(".bar input").checked = false; });
        viewer = { page };
      }
      Object.assign(viewer, { run: chosen, step: circuit.step });
    }
    bar.replaceChildren(chooser(withCircuit), make("span", "at", words.atStep(viewer.step)), label);
  };

  // --- all of it --------------------------------------------------------------------------------------------------

  const update = () => {
    const all = [...store.runs.values()].filter((run) => run.summary);
    const runs = all.filter((run) => run.shown);
    if (!chosen || !runs.includes(chosen)) chosen = runs.find((run) => run.summary.state === "running") ?? runs.findLast((run) => verdictOf(run)?.kind !== "failed") ?? runs.at(-1) ?? null;
    sections.runs.made.hidden = false;
    showCards(all);
    showCurves(runs);
    showParameters(runs);
    showImages(runs);
    showCircuit(runs);
  };

  const showCards = (all) => {
    const held = [...sections.runs.content.querySelectorAll(".toggle")].indexOf(document.activeElement);
    sections.runs.content.replaceChildren(...(all.length ? all.map(card) : [make("p", "hint", words.nothing)]));
    if (held >= 0) sections.runs.content.querySelectorAll(".toggle")[held]?.focus();
  };

  const trouble = (text) => { root.querySelector(".trouble").textContent = text; };

  const poll = async () => {
    try {
      const changed = await store.refresh(ask);
      trouble("");
      if (changed) update();
      else showCards([...store.runs.values()].filter((run) => run.summary));
    } catch (error) {
      trouble(error instanceof TypeError ? words.lost : `${words.complaint} ${error.message}`);
    }
    setTimeout(poll, ASK_EVERY);
  };

  build();
  if (data) { store.fill(data); update(); } else { update(); poll(); }
  return { store, state: () => ({ charts: [...charts.keys()], runs: [...store.runs.values()].map((run) => ({ name: run.summary?.name, step: run.known.step, shown: run.shown })), chosen: chosen?.summary.name ?? null, circuit: viewer?.step ?? null }) };
};
