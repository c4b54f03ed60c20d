// The viewer: a drawing of a circuit that can be stepped through, asked and changed. `mount` is all that is exported.
import { digits, isAlarming, numberText, quantityText } from "./numbers.js";
import { readScene, wireName } from "./scene.js";
import { computed, isComputable } from "./compute.js";
import { Stepper, breakpointOf } from "./stepper.js";
import { element, heading, told } from "./panel.js";
import { wordsOf } from "./words.js";

const PLAY_STEP = 700; // milliseconds a step stays while the passes are played

/** The text of a label in the drawing: a number, or what the drawing says of an array. */
const labelOf = (quantity) => `${isAlarming(quantity) ? "! " : ""}${numberText(quantity.number)}`;

/** The drawing of a scene and what of it changes: labels by node, parts by wire. */
class Drawing {
  constructor(view, svg, scene) {
    this.view = view;
    this.svg = svg;
    this.scene = scene;
    const byNumber = (kind) => new Map([...svg.querySelectorAll(`[data-${kind}]`)].map((shape) => [+shape.dataset[kind], shape]));
    this.shapes = byNumber("node");
    this.labels = byNumber("label");
    this.wires = byNumber("wire");
    for (const text of svg.querySelectorAll("text.value, text.gradient")) text.dataset.original = text.textContent;
    this.all = [0, 0, svg.viewBox.baseVal.width, svg.viewBox.baseVal.height];
    this.box = [...this.all];
    this.moved = false;
    this.listen();
    this.fit();
  }

  look(box) { this.box = box; this.svg.setAttribute("viewBox", box.join(" ")); }

  // A small circuit is not blown up: at most twice its natural size.
  fit() {
    const [x, y, width, height] = this.all;
    const wide = width * Math.max(1, this.view.clientWidth / (2 * width));
    this.look([x - (wide - width) / 2, y, wide, height]);
  }

  zoom(factor, x = this.box[0] + this.box[2] / 2, y = this.box[1] + this.box[3] / 2) {
    const [left, top, width, height] = this.box;
    this.look([x - (x - left) * factor, y - (y - top) * factor, width * factor, height * factor]);
  }

  /** Bring a node into the middle, where it is out of sight. */
  reveal(node) {
    const shape = this.shapes.get(node.identifier);
    if (!shape) return;
    const around = shape.getBBox();
    const [x, y, width, height] = this.box;
    const inside = around.x >= x && around.y >= y && around.x + around.width <= x + width && around.y + around.height <= y + height;
    if (!inside) this.look([around.x + around.width / 2 - width / 2, around.y + around.height / 2 - height / 2, width, height]);
  }

  listen() {
    const { view, svg } = this;
    view.addEventListener("wheel", (event) => {
      event.preventDefault();
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      this.zoom(Math.min(Math.max(Math.exp(event.deltaY / 500), 0.5), 2), point.x, point.y);
    }, { passive: false });
    let drag = null;
    view.addEventListener("pointerdown", (event) => { drag = [event.clientX, event.clientY, this.box]; this.moved = false; });
    view.addEventListener("pointermove", (event) => {
      if (!drag || !event.buttons) return;
      const [x, y, start] = drag;
      this.moved = this.moved || Math.hypot(event.clientX - x, event.clientY - y) > 4;
      const scale = Math.max(start[2] / view.clientWidth, start[3] / view.clientHeight);
      if (this.moved) this.look([start[0] - (event.clientX - x) * scale, start[1] - (event.clientY - y) * scale, start[2], start[3]]);
    });
    view.addEventListener("dblclick", () => this.fit());
  }

  /** Show of a node what is known at the stepper's position. */
  update(node, stepper, isEdited) {
    const label = this.labels.get(node.identifier);
    if (label) {
      const known = stepper.hasValue(node);
      const { parts, complete } = stepper.arrived(node);
      for (const half of label.children) {
        const { kind } = half.dataset;
        const shown = kind === "gradient" ? parts.length > 0 || (complete && stepper.position === stepper.length) : known;
        half.style.visibility = shown ? "" : "hidden";
        const text = half.querySelector("text");
        const quantity = node[kind];
        const arrow = text.dataset.original.startsWith("←") ? "← " : "";
        const whole = isEdited && quantity && quantity.number !== null ? arrow + labelOf(quantity) : text.dataset.original;
        if (kind === "value" || complete || !parts.length) text.textContent = whole;
        else if (parts.some((part) => part.number === null)) text.textContent = "+ …";
        else text.textContent = `${numberText(parts.reduce((sum, part) => sum + part.number, 0))} + …`;
      }
    }
    for (const edge of node.outgoing) {
      const wire = this.wires.get(edge.number);
      if (!wire) continue;
      const back = edge.gradient !== null && stepper.hasStepped(edge.target);
      wire.classList.toggle("waiting", !stepper.hasValue(node));
      wire.classList.toggle("returned", back && stepper.position < stepper.length);
      const part = wire.querySelector("text");
      if (part) {
        part.style.visibility = back ? "" : "hidden";
        if (isEdited) part.textContent = edge.gradient && edge.gradient.number !== null ? labelOf(edge.gradient) : "";
        else part.textContent = part.dataset.original;
      }
    }
  }
}

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

  let scene;
  let recorded;
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
      const sum = parts.map((part) => digits(part.number)).join(" + ");
      return `${line}; ${words.arrives(wireName(edge), sum, `${digits(parts.reduce((total, part) => total + part.number, 0))}${complete ? "" : " …"}`)}`;
    });
    return `${node.name || node.gateName} ← ${lines.join("  ·  ") || words.stops}`;
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
    for (const node of nodes) drawing.update(node, stepper, edits.length > 0 && channel === null);
    for (const shape of drawing.svg.querySelectorAll(".playhead")) shape.classList.remove("playhead");
    const node = stepper.position < stepper.length ? current() : null;
    if (node && drawing.shapes.has(node.identifier)) {
      drawing.shapes.get(node.identifier).classList.add("playhead");
      drawing.reveal(node);
    }
    controls.slider.value = stepper.position;
    const pass = stepper.position === 0 ? "" : stepper.steps[stepper.position - 1].pass === "forward" ? words.forwardPass : words.backwardPass;
    controls.counter.textContent = `${stepper.position} / ${stepper.length} ${pass}`;
    controls.reason.textContent = reason();
    controls.edits.replaceChildren(...(edits.length
      ? [words.edits(edits.length), small(words.undo, () => apply(edits.slice(0, -1))), small(words.reset, () => apply([]))] : []));
    stepTime = performance.now() - begun;
  };

  const go = (position) => {
    const before = stepper.position;
    const after = stepper.go(position);
    const places = Array.from({ length: Math.abs(after - before) }, (_, step) => Math.min(before, after) + step);
    const ends = before === stepper.length || after === stepper.length;
    show(ends || places.length > 100 ? scene.nodes.values() : new Set(places.flatMap((place) => stepper.touched(place))));
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
    if (node) { choose(node, true); drawing.reveal(node); }
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
      entry("search", words.searchHint, find), controls.edits, controls.reason,
    );
  };

  // --- what the panel says ---------------------------------------------------------------------------------------

  const canEdit = () => channel !== null || (recorded !== undefined && isComputable(recorded));

  const apply = (next) => {
    const before = edits;
    edits = next;
    if (channel) { channel.send({ type: "edit", number: (asked += 1), edits }); return; }
    try {
      if (edits.length) change(computed(recorded, edits)); else change(null);
    } catch (error) {
      edits = before;
      controls.reason.textContent = String(error.message);
    }
  };

  /** Put other numbers on the scene's nodes and wires; null brings the recorded ones back. */
  const change = (numbers) => {
    for (const node of scene.nodes.values()) {
      const known = numbers ? numbers.nodes.get(node.identifier) : originals.nodes.get(node);
      if (known) Object.assign(node, { value: known.value, gradient: known.gradient });
    }
    scene.edges.forEach((edge, place) => Object.assign(edge, numbers ? numbers.edges[place] : originals.edges[place]));
    show(scene.nodes.values());
    if (chosen) tell();
  };

  let originals;
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
      const original = recorded.nodes.get(node.identifier).value.number;
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
    const focused = document.activeElement && panel.contains(document.activeElement) ? document.activeElement.className : "";
    if (channel === null && focused.startsWith("set") && edits.length) { // a slider that is being dragged stays; the numbers around it follow
      const fresh = told(chosen, words, tools);
      const old = [...panel.children].slice(0, [...panel.children].findIndex((child) => child.textContent === words.whatIf && child.tagName === "H2"));
      old.forEach((child) => child.remove());
      panel.prepend(...fresh);
      return;
    }
    panel.replaceChildren(...told(chosen, words, tools), ...whatIf(chosen));
  };

  const choose = (node, keep = false) => {
    if (!node) return;
    chosen = node;
    kept = kept || keep;
    for (const [identifier, shape] of drawing.shapes) shape.classList.toggle("chosen", identifier === node.identifier);
    for (const [number, wire] of drawing.wires) {
      const edge = scene.edges[number];
      wire.classList.toggle("chosen", edge !== undefined && (edge.source === node || edge.target === node));
    }
    tell();
  };

  // --- a scene comes in ------------------------------------------------------------------------------------------

  const begin = (given, picture) => {
    try {
      scene = readScene(given, options.language);
      if (!edits.length) recorded = readScene(given, options.language);
    } catch (error) {
      fail(error.message);
      return;
    }
    if (picture) view.replaceChildren(document.importNode(new DOMParser().parseFromString(picture, "image/svg+xml").documentElement, true));
    const svg = view.querySelector("svg");
    if (!svg) { fail("there is no drawing of this scene"); return; }
    originals = {
      nodes: new Map([...scene.nodes.values()].map((node) => [node, { value: node.value, gradient: node.gradient }])),
      edges: scene.edges.map(({ gradient, local }) => ({ gradient, local })),
    };
    drawing = new Drawing(view, svg, scene);
    stepper = new Stepper(scene);
    buildBar();
    for (const [identifier, shape] of drawing.shapes) {
      const node = scene.nodes.get(identifier);
      shape.setAttribute("tabindex", "0");
      shape.setAttribute("role", "button");
      shape.setAttribute("aria-label", heading(node, words));
      shape.querySelector("title")?.remove(); // the panel says it better than the browser's own tip
      shape.addEventListener("pointerenter", () => { if (!kept) choose(node); });
      shape.addEventListener("focus", () => choose(node));
      shape.addEventListener("click", () => { if (!drawing.moved) choose(node, true); });
    }
    const drawn = [...scene.nodes.values()].filter((node) => node.kind !== "output" && node.kind !== "elided").length;
    const note = scene.total > drawn ? [element("p", "note", words.part(drawn, scene.total))] : [];
    panel.replaceChildren(element("h1", "", scene.title || document.title), element("p", "", words.hint), ...note);
    show(scene.nodes.values());
  };

  const typing = (event) => event.target.matches?.("input, select, textarea");
  const onKey = (event) => {
    if (!stepper || typing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowRight: () => go(stepper.position + 1), ArrowLeft: () => go(stepper.position - 1), Home: () => go(0), End: () => go(stepper.length),
      PageDown: () => go(stepper.position + 10), PageUp: () => go(stepper.position - 10), " ": () => play(timer === null),
      "+": () => drawing.zoom(0.8), "-": () => drawing.zoom(1.25), 0: () => drawing.fit(), "/": () => controls.search.focus(), Escape: () => { kept = false; },
    };
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action || (event.key === " " && event.target.tagName === "BUTTON")) return;
    event.preventDefault();
    action();
  };
  // A page of its own listens everywhere; between other things, as in a notebook, only where the reader is.
  const keys = options.wholePage ? document : root;
  if (keys === root) root.tabIndex = -1;
  keys.addEventListener("keydown", onKey);
  view.addEventListener("click", (event) => { if (drawing && !drawing.moved && !event.target.closest("[data-node]")) kept = false; });

  /** Another drawing of the same circuit: the reader stays where he was. */
  const redraw = (given, picture) => {
    const { position } = stepper;
    const { box } = drawing;
    const before = chosen && chosen.identifier;
    const focused = panel.contains(document.activeElement) ? document.activeElement.className : "";
    const stood = controls.stop.value;
    begin(given, picture);
    controls.stop.value = stood;
    drawing.look(box);
    go(position);
    if (before !== null && scene.nodes.has(before)) choose(scene.nodes.get(before));
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
      if (message.drawing) redraw(message.scene, message.drawing);
      else { const next = readScene(message.scene, options.language); change({ nodes: next.nodes, edges: next.edges }); }
    };
  }
  begin(data, options.drawing);

  return {
    show: (next, picture) => { play(false); edits = []; granted = []; chosen = null; begin(next, picture); },
    state: () => ({
      position: stepper?.position ?? null, length: stepper?.length ?? null, chosen: chosen?.identifier ?? null, edits, breakpoint: stop, stepTime,
      values: scene ? Object.fromEntries([...scene.nodes.values()].filter((node) => node.value).map((node) => [node.identifier, node.value.number])) : {},
      gradients: scene ? Object.fromEntries([...scene.nodes.values()].filter((node) => node.gradient).map((node) => [node.identifier, node.gradient.number])) : {},
    }),
    go: (position) => { if (stepper) go(position); },
    choose: (identifier) => { const node = scene?.nodes.get(identifier); if (node) choose(node, true); },
    destroy: () => { play(false); keys.removeEventListener("keydown", onKey); bar.remove(); panel.remove(); },
  };
};
