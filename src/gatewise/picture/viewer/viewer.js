// The viewer: a drawing of a circuit that can be stepped through, asked and changed. `mount` is all that is exported.
import { digits, quantityText } from "./numbers.js";
import { readScene, wireName } from "./scene.js";
import { computed, isComputable } from "./compute.js";
import { Stepper, breakpointOf } from "./stepper.js";
import { wordsOf } from "./words.js";
import { element, heading, told } from "./panel.js";
import { Structure } from "./structure.js";
import { Drawing } from "./drawing.js";

const PLAY_STEP = 700; // milliseconds a step stays while the passes are played

const sizeOf = (group, words, structure) => (group.kind === "argument" ? words.inputs(group.last - group.first) : words.gates(structure.gatesIn(group)));

/** What a thing of the drawing is called: a node, a group, or (null) all of it. `isShort`: only how much is in it. */
const namer = (words, structure) => (thing, isShort = false) => {
  if (!thing) return words.whole;
  if (thing.node) return heading(thing.node, words);
  const size = sizeOf(thing.group, words, structure());
  return isShort ? size : `${words.kinds[thing.group.kind] ?? thing.group.kind} ${thing.group.label}, ${size}`;
};

/** Draw a scene in an element; what is returned shows other scenes there, tells its state, and takes itself away. */
export const mount = (root, data, options = {}) => {
  const words = wordsOf(options.language);
  const channel = options.channel ?? null;
  root.classList.add("gatewise-viewer");
  const view = root.querySelector("main") ?? root.appendChild(element("main"));
  const bar = element("div", "bar");
  const panel = element("aside");
  panel.setAttribute("aria-live", "polite");
  root.append(bar, panel);
  if (options.palette) root.classList.add(`gatewise-${options.palette}`);

  let scene;
  let structure;
  let base; // the data of the circuit as it was recorded: edits count from there
  let reread = null; // the scene of these data, once there are edits
  let isEditable = null; // whether it can be computed here, once that was asked
  let drawing;
  let stepper;
  let chosen = null;
  let kept = false;
  let edits = [];
  let granted = []; // those that a program behind the page has computed
  let asked = 0;
  let stop = null;
  let timer = null;
  let stepTime = 0;

  const fail = (message) => {
    drawing?.destroy();
    drawing = null;
    stepper = null;
    view.replaceChildren(element("p", "failure", message));
    panel.replaceChildren();
    bar.replaceChildren();
  };

  // --- what the step bar says ------------------------------------------------------------------------------------

  const reason = () => {
    if (stepper.position === 0) return words.begin;
    const { pass, node } = stepper.steps[stepper.position - 1];
    const name = node.name || node.label;
    if (pass === "seed") return words.seed(name, quantityText(node.gradient));
    if (pass === "forward") {
      if (node.kind === "summary" && !node.name) return words.runs(node.holds);
      if (node.kind !== "gate") return words.given(name, quantityText(node.value));
      const slots = new Map([...node.constants].map(([slot, number]) => [slot, digits(number)]));
      for (const edge of node.incoming) slots.set(edge.slot, quantityText(edge.source.value));
      const inputs = [...slots].sort(([one], [other]) => one - other).map(([, text]) => text).join(", ");
      return words.computes(node.name || node.expression || node.gateName, node.gateName, inputs, quantityText(node.value));
    }
    const passing = node.incoming.filter((edge) => edge.gradient);
    const lines = passing.map((edge, place) => {
      const factor = edge.local ? ` × ${quantityText(edge.local)}` : "";
      const line = `${wireName(edge)}: ${quantityText(node.gradient)}${factor}${factor ? " = " : " → "}${quantityText(edge.gradient)}`;
      const { parts, complete } = stepper.arrived(edge.source);
      const again = passing.slice(place + 1).some((other) => other.source === edge.source);
      if (again || parts.length < 2 || parts.some((part) => part.number === null)) return line;
      const sum = `${parts.length > 6 ? "… + " : ""}${parts.slice(-6).map((part) => digits(part.number)).join(" + ")}`;
      return `${line}; ${words.arrives(wireName(edge), sum, `${digits(parts.reduce((total, part) => total + part.number, 0))}${complete ? "" : " …"}`)}`;
    });
    return `${node.name || node.gateName || node.label} ← ${lines.join("  ·  ") || words.stops}`;
  };

  const controls = {};
  const button = (name, text, action) => {
    const made = element("button", name, text);
    made.type = "button";
    made.title = words[name];
    made.setAttribute("aria-label", words[name]);
    made.addEventListener("click", action);
    controls[name] = made;
    return made;
  };

  const small = (text, action, isOn = false) => {
    const made = element("button", isOn ? "small on" : "small", text);
    made.type = "button";
    made.addEventListener("click", action);
    return made;
  };

  const current = () => (stepper.position ? stepper.steps[stepper.position - 1].node : null);

  const show = (nodes) => {
    const begun = performance.now();
    drawing.update(nodes);
    const node = stepper.position < stepper.length ? current() : null;
    const shown = node && (drawing.places.has(node) ? node : structure.around(node).find((group) => drawing.places.has(group)));
    drawing.mark(chosen, shown);
    if (shown) drawing.reveal(shown);
    say();
    stepTime = performance.now() - begun;
  };

  const say = () => {
    controls.slider.value = stepper.position;
    const pass = stepper.position === 0 ? "" : stepper.steps[stepper.position - 1].pass === "forward" ? words.forwardPass : words.backwardPass;
    controls.counter.textContent = `${stepper.position} / ${stepper.length} ${pass}`;
    controls.reason.textContent = reason();
    controls.edits.replaceChildren(...(edits.length
      ? [words.edits(edits.length), small(words.undo, () => apply(edits.slice(0, -1))), small(words.reset, () => apply([]))] : []));
  };

  const go = (position) => {
    const before = stepper.position;
    const after = stepper.go(position);
    const places = Array.from({ length: Math.abs(after - before) }, (_, step) => Math.min(before, after) + step);
    const ends = before === stepper.length || after === stepper.length;
    show(ends || places.length > 100 ? null : new Set(places.flatMap((place) => stepper.touched(place))));
  };

  const play = (running) => {
    clearInterval(timer);
    timer = null;
    if (running) {
      if (stepper.position === stepper.length) go(0);
      timer = setInterval(() => { go(stepper.position + 1); if (stepper.position === stepper.length) play(false); }, PLAY_STEP);
    }
    controls.play.textContent = running ? words.pause : words.play;
    controls.play.title = controls.play.textContent;
  };

  const run = (direction) => {
    const holds = breakpointOf(controls.stop.value);
    if (!holds) { controls.reason.textContent = words.badStop; return; }
    const before = stepper.position;
    if (!stepper.run(holds, direction)) { controls.reason.textContent = words.notFound; return; }
    stop = controls.stop.value;
    const after = stepper.position;
    stepper.position = before;
    go(after);
    choose(current(), true);
  };

  const find = (text) => {
    const said = text.trim().toLowerCase();
    if (!said) return;
    const matches = (node) => node.name.toLowerCase() === said || node.gateName.toLowerCase() === said || (node.source && String(node.source.line) === said.replace(/^line\s*/, ""));
    const nodes = [...scene.nodes.values()];
    const from = chosen ? nodes.indexOf(chosen) + 1 : 0;
    const node = [...nodes.slice(from), ...nodes.slice(0, from)].find(matches) ?? nodes.find((other) => other.name.toLowerCase().includes(said));
    if (!node) return;
    if (structure.uncover(node)) drawing.build();
    drawing.reveal(node, true);
    choose(node, true);
  };

  // --- groups ------------------------------------------------------------------------------------------------------

  const toggle = (group) => {
    drawing.toggle(group);
    show(null);
    choose(group, true);
  };

  const regroup = (detail) => {
    structure = new Structure(scene, detail);
    drawing.structure = structure;
    drawing.build();
    drawing.fit();
    if (chosen && chosen.items) chosen = null;
    if (!chosen) greet();
    show(null);
  };

  /** The groups around a node as a row of buttons that collapse them. */
  const places = (node) => {
    const around = structure.around(node);
    return around.length ? [element("p", "groups", "", `${words.inside} `, ...around.map((group) => small(`⊟ ${group.label}`, () => toggle(group))))] : [];
  };

  const toldGroup = (group) => {
    const parts = [element("h1", "", `${words.kinds[group.kind] ?? group.kind} ${group.label}`), element("p", "", sizeOf(group, words, structure))];
    if (group.isTold) parts.push(element("p", "note", words.notListed));
    const button = small(group.collapsed ? `⊞ ${words.expand}` : `⊟ ${words.collapse}`, () => toggle(group));
    parts.push(element("p", "", "", button));
    const source = scene.sources[group.source];
    if (source) parts.push(element("h2", "", `${source.file}:${source.line}`), element("pre", "", source.text ?? ""));
    return parts;
  };

  const buildBar = () => {
    const slider = element("input", "slider");
    Object.assign(slider, { type: "range", min: 0, max: stepper.length, value: stepper.position });
    slider.setAttribute("aria-label", words.position);
    slider.addEventListener("input", () => { play(false); go(+slider.value); });
    const entry = (name, hint, action) => {
      const made = element("input", name);
      made.placeholder = hint;
      made.setAttribute("aria-label", words[name]);
      made.addEventListener("keydown", (event) => { if (event.key === "Enter") action(made.value); });
      controls[name] = made;
      return made;
    };
    Object.assign(controls, { slider, edits: element("span", "edits"), counter: element("span", "counter"), reason: element("div", "reason") });
    controls.reason.setAttribute("aria-live", "polite");
    bar.replaceChildren(
      button("first", "|◀", () => go(0)), button("back", "◀", () => go(stepper.position - 1)), button("play", words.play, () => play(timer === null)),
      button("forward", "▶", () => go(stepper.position + 1)), button("last", "▶|", () => go(stepper.length)), slider, controls.counter,
      entry("stop", words.stopHint, () => run(1)), button("runBack", words.runBack, () => run(-1)), button("run", words.run, () => run(1)),
      entry("search", words.searchHint, find), ...details(), controls.edits, controls.reason,
    );
  };

  /** Where the program has parts: what to show of them. */
  const details = () => {
    if (structure.groups.length === 1 && (scene.nodes.size > 5000 || new Structure(scene, "lines").groups.length === 1)) return [];
    const select = element("select", "detail");
    select.setAttribute("aria-label", words.detail);
    for (const detail of ["groups", "lines", "gates"]) {
      const option = element("option", "", words[`${detail}Detail`]);
      option.value = detail;
      select.append(option);
    }
    select.value = structure.detail;
    select.addEventListener("change", () => regroup(select.value));
    return [select];
  };

  // --- what the panel says ---------------------------------------------------------------------------------------

  const canEdit = () => channel !== null || (isEditable ??= isComputable(scene));

  /** The scene as it was recorded, beside the one that is shown. */
  const recorded = () => (reread ??= readScene(base, options.language));

  const apply = (next) => {
    const before = edits;
    edits = next;
    if (channel) { channel.send({ type: "edit", number: (asked += 1), edits }); return; }
    try {
      change(edits.length ? computed(recorded(), edits) : recorded());
    } catch (error) {
      edits = before;
      controls.reason.textContent = String(error.message);
    }
  };

  /** Put other numbers on the scene's nodes and wires: those of another reading of it, or computed ones. */
  const change = (numbers) => {
    for (const node of scene.nodes.values()) {
      const known = numbers.nodes.get(node.identifier);
      if (known) Object.assign(node, { value: known.value, gradient: known.gradient });
    }
    scene.edges.forEach((edge, place) => {
      const { gradient, local } = numbers.edges[place];
      Object.assign(edge, { gradient, local });
    });
    for (const node of scene.nodes.values()) node.back = node.outgoing.reduce((count, edge) => count + (edge.gradient ? 1 : 0), 0);
    show(null);
    if (chosen) tell();
  };

  const without = (kind, ...places) => edits.filter((edit) => !(places.every((key) => edit[key[0]] === key[1]) && kind.includes(edit.kind)));

  const tools = (edge) => {
    if (!canEdit() || edge.target.kind !== "gate") return [];
    const key = [["target", edge.target.identifier], ["slot", edge.slot]];
    const now = edits.find((edit) => edit.target === edge.target.identifier && edit.slot === edge.slot);
    const others = without(["cut", "hold"], ...key);
    return ["cut", "hold"].map((kind) => small(now && now.kind === kind ? words.uncut : words[kind], () => apply(
      now && now.kind === kind ? others : [...others, { kind, target: edge.target.identifier, slot: edge.slot }],
    ), now && now.kind === kind));
  };

  const whatIf = (node) => {
    const parts = [element("h2", "", words.whatIf)];
    if (!canEdit()) return [...parts, element("p", "note", words.cannotEdit)];
    const others = without(["set", "swap"], ["node", node.identifier]);
    if (node.kind === "input" && node.value && node.value.number !== null) {
      const original = (edits.length ? recorded() : scene).nodes.get(node.identifier).value.number;
      const reach = Math.max(1, Math.abs(original)) * 3;
      const set = (value) => { if (Number.isFinite(value)) apply([...others, { kind: "set", node: node.identifier, value }]); };
      const field = element("input", "set");
      Object.assign(field, { type: "number", step: "any", value: node.value.number });
      field.setAttribute("aria-label", words.set);
      field.addEventListener("change", () => set(field.valueAsNumber));
      const slide = element("input", "set-slider");
      Object.assign(slide, { type: "range", min: original - reach, max: original + reach, step: reach / 100, value: node.value.number });
      slide.addEventListener("input", () => { field.value = slide.value; set(+slide.value); });
      parts.push(element("div", "row", "", field, slide));
    }
    if (channel && ["input", "constant"].includes(node.kind) && node.value && node.value.shape.length && node.value.statistics) {
      const index = element("input", "set-index");
      Object.assign(index, { placeholder: node.value.shape.map((length) => `0…${length - 1}`).join(", "), title: words.index });
      index.setAttribute("aria-label", words.index);
      const field = element("input", "set-entry");
      Object.assign(field, { type: "number", step: "any" });
      field.setAttribute("aria-label", words.set);
      field.addEventListener("change", () => {
        const places = index.value.split(",").map((text) => text.trim()).filter(Boolean).map(Number);
        const edit = { kind: "set", node: node.identifier, value: field.valueAsNumber };
        if (Number.isFinite(edit.value)) apply([...edits, places.length ? { ...edit, index: places } : edit]);
      });
      parts.push(element("div", "row", "", index, field));
    }
    if (node.kind === "gate" && node.gate && node.gate.alternatives.length) {
      const select = element("select", "swap");
      select.setAttribute("aria-label", words.swap);
      for (const key of [node.gate.key, ...node.gate.alternatives]) select.append(element("option", "", key));
      const now = edits.find((edit) => edit.kind === "swap" && edit.node === node.identifier);
      select.value = now ? now.gate : node.gate.key;
      select.addEventListener("change", () => apply(select.value === node.gate.key ? others : [...others, { kind: "swap", node: node.identifier, gate: select.value }]));
      parts.push(element("div", "row", "", element("b", "", words.swap), select));
    }
    return parts.length > 1 ? parts : [];
  };

  const tell = () => {
    if (chosen.items) { panel.replaceChildren(...toldGroup(chosen)); return; }
    const focused = document.activeElement && panel.contains(document.activeElement) ? document.activeElement.className : "";
    if (channel === null && focused.startsWith("set") && edits.length) { // a slider that is being dragged stays; the numbers around it follow
      const fresh = told(chosen, words, tools);
      const old = [...panel.children].slice(0, [...panel.children].findIndex((child) => child.textContent === words.whatIf && child.tagName === "H2"));
      old.forEach((child) => child.remove());
      panel.prepend(...fresh);
      return;
    }
    panel.replaceChildren(...told(chosen, words, tools), ...places(chosen), ...whatIf(chosen));
  };

  const playhead = () => (stepper.position < stepper.length ? current() : null);

  const choose = (what, keep = false) => {
    if (!what) return;
    chosen = what;
    kept = kept || keep;
    drawing.mark(what, playhead());
    tell();
  };

  const greet = () => {
    const drawn = [...scene.nodes.values()].filter((node) => !["output", "elided", "summary"].includes(node.kind)).length;
    const summaries = [...scene.nodes.values()].filter((node) => node.kind === "summary").length;
    const said = summaries ? words.summaries(drawn, scene.total, summaries) : words.part(drawn, scene.total);
    const note = scene.total > drawn ? [element("p", "note", said)] : [];
    const folded = drawing.picture.things.filter((thing) => thing.group).length;
    if (folded) note.push(element("p", "note", words.folded(folded)));
    panel.replaceChildren(element("h1", "", scene.title || document.title), element("p", "", words.hint), ...note);
  };

  // --- a scene comes in ------------------------------------------------------------------------------------------

  const on = {
    hover: (thing, isFocus = false) => { if (isFocus || !kept) choose(thing.node ?? thing.group); },
    choose: (thing) => { if (!drawing.moved) choose(thing.node ?? thing.group, true); },
    open: (thing) => toggle(thing.group),
  };

  const begin = (given) => {
    try {
      scene = readScene(given, options.language);
    } catch (error) {
      fail(error.message);
      return;
    }
    if (!edits.length) { base = given; reread = null; isEditable = null; }
    structure = new Structure(scene);
    stepper = new Stepper(scene);
    drawing?.destroy();
    buildBar(); // before the drawing, which asks for the room that is left
    say();
    view.replaceChildren(element("div", "legend", "", `${words.above} `, element("span", "value", words.value), `${words.below} `, element("span", "gradient", words.gradient)));
    drawing = new Drawing(view, structure, stepper, on, namer(words, () => structure));
    greet();
  };

  /** On to the next gate or group of the drawing, or back. */
  const along = (direction) => {
    const all = drawing.picture.things;
    const at = all.findIndex((thing) => (thing.node ?? thing.group) === chosen);
    const next = all[(at + direction + all.length) % all.length];
    choose(next.node ?? next.group, true);
    drawing.reveal(chosen);
    drawing.circuit.focus(chosen);
  };

  const typing = (event) => event.target.matches?.("input, select, textarea");
  const onKey = (event) => {
    if (!stepper || typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowRight: () => go(stepper.position + 1), ArrowLeft: () => go(stepper.position - 1), Home: () => go(0), End: () => go(stepper.length),
      PageDown: () => go(stepper.position + 10), PageUp: () => go(stepper.position - 10), " ": () => play(timer === null),
      "+": () => drawing.zoom(0.8), "-": () => drawing.zoom(1.25), 0: () => drawing.fit(), "/": () => controls.search.focus(), 9: () => drawing.overview(), Escape: () => { kept = false; }, "[": () => along(-1), "]": () => along(1),
      Enter: () => { if (chosen && chosen.items) toggle(chosen); },
    };
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action || ([" ", "Enter"].includes(event.key) && event.target.tagName === "BUTTON")) return;
    event.preventDefault();
    action();
  };
  // A page of its own listens everywhere; between other things, as in a notebook, only where the reader is.
  const keys = options.wholePage ? document : root;
  if (keys === root) root.tabIndex = -1;
  keys.addEventListener("keydown", onKey);
  view.addEventListener("click", (event) => { if (drawing && !drawing.moved && !event.target.closest("[data-node]")) kept = false; });

  /** The same circuit with other numbers, or, where gates have come or gone, with another drawing: the reader stays where he was. */
  const redraw = (given) => {
    const next = readScene(given, options.language);
    const isSame = next.edges.length === scene.edges.length && next.nodes.size === scene.nodes.size
      && next.edges.every(({ source, target, slot }, place) => { const now = scene.edges[place]; return now.source.identifier === source.identifier && now.target.identifier === target.identifier && now.slot === slot; })
      && [...next.nodes.values()].every((node) => scene.nodes.get(node.identifier)?.label === node.label);
    if (isSame) {
      for (const node of next.nodes.values()) Object.assign(scene.nodes.get(node.identifier), { gate: node.gate, gateName: node.gateName, story: node.story });
      change({ nodes: next.nodes, edges: next.edges });
      drawing.build();
      show(null);
      return;
    }
    const { position } = stepper;
    const { box } = drawing;
    const before = chosen && chosen.identifier;
    const focused = panel.contains(document.activeElement) ? document.activeElement.className : "";
    const stood = controls.stop.value;
    begin(given);
    controls.stop.value = stood;
    drawing.look(box);
    go(position);
    if (scene.nodes.has(before)) choose(scene.nodes.get(before));
    if (focused) panel.querySelector(`[class="${focused}"]`)?.focus();
  };

  if (channel) {
    channel.receive = (message) => {
      if (message.number !== asked) return; // an answer to what has been asked anew since
      if (message.type === "error") {
        edits = granted;
        show([]);
        controls.reason.textContent = message.message;
        return;
      }
      if (message.type !== "scene") return;
      granted = edits;
      redraw(message.scene);
    };
  }
  begin(data);

  const numbersOf = (kind) => (scene ? Object.fromEntries([...scene.nodes.values()].filter((node) => node[kind]).map((node) => [node.identifier, node[kind].number])) : {});

  return {
    show: (next) => { play(false); edits = []; granted = []; asked += 1; chosen = null; begin(next); }, // answers about the old one come too late
    state: () => ({
      position: stepper?.position ?? null, length: stepper?.length ?? null, chosen: chosen?.identifier ?? null, edits, breakpoint: stop, stepTime,
      things: drawing?.picture.things.length ?? null, wires: drawing?.picture.wires.length ?? null, painted: drawing?.circuit.isPainted ?? false,
      layoutTime: drawing?.layoutTime, buildTime: drawing?.buildTime, frameTime: drawing?.circuit.frameTime, box: drawing?.box,
      get values() { return numbersOf("value"); }, // when they are asked for
      get gradients() { return numbersOf("gradient"); },
    }),
    go: (position) => { if (stepper) go(position); },
    choose: (identifier) => { const node = scene?.nodes.get(identifier); if (node) choose(node, true); },
    set: (identifier, value) => apply([...edits.filter((edit) => edit.kind !== "set" || edit.node !== identifier), { kind: "set", node: identifier, value }]),
    drawing: () => drawing,
    destroy: () => { play(false); drawing?.destroy(); keys.removeEventListener("keydown", onKey); bar.remove(); panel.remove(); },
  };
};
