// A small circuit as SVG: every gate an element that can be reached with Tab, every label in its place.
import { isAlarming } from "./numbers.js";
import { CELL, RADIUS, gradientText, namesResult, textOf, thumbnailSize } from "./labels.js";
import { heat } from "./panel.js";

const SVG = "http://www.w3.org/2000/svg";
const BEYOND = 0.5; // what is drawn beyond each edge of the view, in parts of its size: as far as it moves at once
const CLOSER = 2.5; // how far what was drawn is blown up before it is drawn anew
const LEGIBLE = 0.2; // pixels of the screen per pixel of the drawing, below which texts would be specks and are left out
const STILL = 150; // milliseconds after which a view counts as resting

const make = (tag, attributes = {}, text = "", ...children) => {
  const made = document.createElementNS(SVG, tag);
  for (const name in attributes) {
    const value = attributes[name];
    made.setAttribute(name, typeof value === "number" ? Math.round(value * 10) / 10 : value);
  }
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

/** A wire's way through its points: level stretches, and curves between them. */
const wayOf = (points) => {
  let way = `M${points[0].toFixed(1)} ${points[1].toFixed(1)}H${points[2].toFixed(1)}`;
  for (let at = 4; at < points.length; at += 4) {
    const [fromX, fromY, toX, toY] = [points[at - 2], points[at - 1], points[at], points[at + 1]];
    const bend = (toX - fromX) / 2;
    if (toY !== fromY) way += `C${(fromX + bend).toFixed(1)} ${fromY.toFixed(1)} ${(toX - bend).toFixed(1)} ${toY.toFixed(1)} ${toX.toFixed(1)} ${toY.toFixed(1)}`;
    way += `H${points[at + 2].toFixed(1)}`;
  }
  return way;
};

const thumbnail = (quantity, kind, x, y) => {
  const [width, height] = thumbnailSize(quantity);
  if (!width) return [];
  const tall = (height - 4) / quantity.cells.length;
  const largest = Math.max(0, ...quantity.cells.flat().filter(Number.isFinite).map(Math.abs));
  const left = x - width / 2;
  const cells = quantity.cells.flatMap((row, number) => row.map((cell, column) => make("rect", {
    x: left + column * CELL, y: y + 2 + number * tall, width: CELL, height: tall, fill: heat(cell, largest), "shape-rendering": "crispEdges",
  })));
  return [...cells, make("rect", { class: kind, x: left, y: y + 2, width, height: height - 4 })];
};

export class DrawnCircuit {
  /** `on.hover(thing)`, `on.choose(thing)` and `on.open(thing)` hear what the reader points at, clicks and double-clicks. */
  constructor(view, on, nameOf) {
    this.svg = make("svg", { class: "gatewise", role: "group" });
    Object.assign(this, { on, nameOf, frame: null, drawnAt: null, lastLook: -Infinity, resting: 0 });
    for (const [edge, part] of [["left", -BEYOND], ["top", -BEYOND], ["width", 1 + 2 * BEYOND], ["height", 1 + 2 * BEYOND]]) this.svg.style[edge] = `${100 * part}%`;
    view.append(this.svg);
  }

  /** Draw this from now on. */
  show(picture) {
    const { on, nameOf } = this;
    this.shapes = new Map();
    this.labels = new Map();
    this.wires = new Map();
    this.pieces = [];
    const layers = Object.fromEntries(["boxes", "wires", "forks", "labels", "nodes"].map((name) => [name, make("g", { class: name })]));
    for (const box of picture.boxes) layers.boxes.append(this.boxed(box, on));
    for (const wire of picture.wires) layers.wires.append(this.wire(wire));
    for (const [cx, cy] of picture.forks) layers.forks.append(make("circle", { class: "fork", cx, cy, r: 3 }));
    for (const thing of picture.things) {
      if (thing.carried && thing.carried.outgoing.length) layers.labels.append(this.label(thing));
      layers.nodes.append(this.shape(thing, on, nameOf));
    }
    this.svg.replaceChildren(...Object.values(layers));
  }

  boxed({ group, x, y, width, height }, on) {
    const caption = make("text", { class: "caption", x: x + 10, y: y + 16 }, group.label);
    const made = make("g", { class: `box ${group.kind}`, "data-box": group.number }, "", make("rect", { x, y, width, height, rx: 8 }), caption);
    caption.addEventListener("click", () => on.choose({ node: null, group }));
    made.addEventListener("dblclick", (event) => { event.stopPropagation(); on.open({ node: null, group }); });
    return made;
  }

  wire(wire) {
    const names = { class: "wire", "data-wire": wire.edge.number };
    const [x, y] = wire.points.slice(-2);
    const beside = [];
    if (wire.node && wire.node.kind === "output") beside.push(make("path", { class: "head", d: `M${x} ${y}l-9 -4.5v9z` }));
    let part = null;
    if (wire.text) {
      part = make("text", { class: `gradient part${isAlarming(wire.edge.gradient) ? " alarm" : ""}`, x: wire.textX, y: wire.textY }, wire.text);
      beside.push(part);
    }
    const d = wayOf(wire.points);
    const made = beside.length ? make("g", names, "", make("path", { d }), ...beside) : make("path", { ...names, d });
    const piece = { wire, made, part };
    this.pieces.push(piece);
    if (!this.wires.has(wire.source)) this.wires.set(wire.source, []);
    this.wires.get(wire.source).push(piece);
    return made;
  }

  label({ carried, label: x, y }) {
    const { value, gradient, identifier } = carried;
    const made = make("g", { "data-label": identifier });
    const half = (kind, quantity, text, above, thumb) => {
      const written = make("text", { class: `${kind}${isAlarming(quantity) ? " alarm" : ""}`, x, y: above }, text);
      const behind = isAlarming(quantity) ? [make("rect", { class: `${kind} alarm`, x: x - text.length * 3.8 - 4, y: above - 12, width: text.length * 7.6 + 8, height: 16, rx: 3 })] : [];
      made.append(make("g", { "data-kind": kind }, "", ...behind, written, ...thumbnail(quantity, kind, x, thumb)));
    };
    if (value) half("value", value, textOf(value, false), y - 6, y - 20 - thumbnailSize(value)[1]);
    if (gradient) half("gradient", gradient, gradientText(carried), y + 16, y + 22);
    this.labels.set(carried, made);
    return made;
  }

  shape(thing, on, nameOf) {
    const { node, group, x, y, width, height } = thing;
    const names = node ? { class: `node ${node.kind}`, "data-node": node.identifier } : { class: `node group ${group.kind}${group.isTold ? " told" : ""}`, "data-group": group.number };
    const made = make("g", { ...names, tabindex: 0, role: "button", "aria-label": nameOf(thing) }, "", make("rect", {
      class: "shape", x: x - width / 2, y: y - height / 2, width, height, rx: node && node.kind === "gate" ? RADIUS : 6,
    }));
    if (node) made.append(make("text", { class: "symbol", x, y: y + 5 }, node.label));
    else made.append(make("text", { class: "symbol", x, y: y - 2 }, group.label), make("text", { class: "name", x, y: y + 15 }, `${group.isTold ? "…" : "⊞"} ${nameOf(thing, true)}`));
    if (node && node.kind === "gate" && node.name && !namesResult(node)) made.append(make("text", { class: "name", x, y: y + RADIUS + 14 }, node.name));
    made.addEventListener("pointerenter", () => on.hover(thing));
    made.addEventListener("focus", () => on.hover(thing, true));
    made.addEventListener("click", () => on.choose(thing));
    made.addEventListener("dblclick", (event) => { if (group) { event.stopPropagation(); on.open(thing); } });
    this.shapes.set(node ?? group, { made, thing });
    return made;
  }

  /** While the view moves, what was drawn is moved as a picture, which costs next to nothing; at rest it is drawn anew. */
  look(frame) {
    this.frame = frame;
    const now = performance.now();
    const isMoving = now - this.lastLook < STILL;
    this.lastLook = now;
    clearTimeout(this.resting);
    if (isMoving && this.glide()) this.resting = setTimeout(() => this.settle(), STILL);
    else this.settle();
  }

  settle() {
    clearTimeout(this.resting);
    const { frame } = this;
    const [wide, high] = [frame.width / frame.scale, frame.height / frame.scale];
    this.svg.setAttribute("viewBox", [frame.left - BEYOND * wide, frame.top - BEYOND * high, (1 + 2 * BEYOND) * wide, (1 + 2 * BEYOND) * high].join(" "));
    this.svg.style.transform = "";
    this.svg.classList.toggle("far", frame.scale < LEGIBLE);
    this.drawnAt = frame;
  }

  /** Move what was drawn to where the view is now; false where that would leave a part of the view empty, or coarse. */
  glide() {
    const [then, now] = [this.drawnAt, this.frame];
    if (!then || then.width !== now.width || then.height !== now.height) return false;
    const grown = now.scale / then.scale;
    const [x, y] = [(then.left - now.left) * now.scale, (then.top - now.top) * now.scale];
    const covers = (start, size) => start - BEYOND * size * grown <= 1 && start + (1 + BEYOND) * size * grown >= size - 1;
    if (grown > CLOSER || !covers(x, now.width) || !covers(y, now.height)) return false;
    this.svg.style.transformOrigin = `${BEYOND * now.width}px ${BEYOND * now.height}px`;
    this.svg.style.transform = `translate(${x}px, ${y}px) scale(${grown})`;
    return true;
  }

  /** Show what is known at the stepper's position, of all nodes or of some. */
  update(stepper, nodes) {
    for (const node of nodes ?? new Set([...this.labels.keys(), ...this.wires.keys()])) {
      const label = this.labels.get(node);
      if (label) {
        const { parts, complete } = stepper.arrived(node);
        for (const half of label.children) {
          const { kind } = half.dataset;
          const shown = kind === "value" ? stepper.hasValue(node) : parts.length > 0 || (complete && stepper.position === stepper.length);
          half.style.visibility = shown ? "" : "hidden";
          half.querySelector("text").textContent = kind === "value" ? textOf(node.value, false) : stepper.textOfGradient(node, parts, complete);
        }
      }
      for (const { wire, made, part } of this.wires.get(node) ?? []) {
        const edges = wire.edges ?? [wire.edge];
        const back = edges.some((edge) => edge.gradient !== null && stepper.hasStepped(edge.target));
        made.classList.toggle("waiting", !stepper.hasValue(node));
        made.classList.toggle("returned", back && stepper.position < stepper.length);
        if (!part) continue;
        part.style.visibility = back ? "" : "hidden";
        part.textContent = textOf(wire.edge.gradient, true);
      }
    }
  }

  /** Mark the node or group that is told, and the node where the playhead is. */
  mark(chosen, playhead) {
    for (const [thing, { made }] of this.shapes) {
      made.classList.toggle("chosen", thing === chosen);
      made.classList.toggle("playhead", thing === playhead);
    }
    for (const { wire, made } of this.pieces) made.classList.toggle("chosen", wire.source === chosen || (wire.edges ?? [wire.edge]).some((edge) => edge.target === chosen));
  }

  focus(thing) { this.shapes.get(thing)?.made.focus(); }

  destroy() {
    clearTimeout(this.resting);
    this.svg.remove();
  }
}
