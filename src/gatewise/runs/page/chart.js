// Curves in SVG: lines of means in bands of extremes, axes, a guide line, marks where a value was not finite.
import { figures } from "./words.js";

const WIDTH = 560;
const HEIGHT = 240;
const LEFT = 58;
const RIGHT = 26;
const TOP = 16;
const BOTTOM = 30;

export const drawn = (name, attributes = {}, text = null) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
};

/** Round numbers between two bounds, about five. */
const linearTicks = (low, high) => {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.max(0, Math.floor(high / step + 1e-9) - first + 1) }, (_, place) => (first + place) * step);
};

const logTicks = (low, high) => {
  const from = Math.ceil(Math.log10(low) - 1e-9);
  const to = Math.floor(Math.log10(high) + 1e-9);
  if (to - from < 1) return [...new Set([1, 2, 5].flatMap((digit) => [from - 1, from, to, to + 1].map((power) => digit * 10 ** power)))].filter((tick) => tick >= low && tick <= high).sort((a, b) => a - b);
  const every = Math.ceil((to - from + 1) / 6);
  return Array.from({ length: Math.floor((to - from) / every) + 1 }, (_, place) => 10 ** (from + place * every));
};

/** A figure with curves. `show` gives it lines; `point` tells and marks what stands at a step. */
export class Chart {
  constructor(title, { log = false, guide = null, bounded = false, onPoint = () => {}, canSwitch = true, words }) {
    this.log = log;
    this.guide = guide;
    this.bounded = bounded;
    this.words = words;
    this.lines = [];
    this.figure = document.createElement("figure");
    this.figure.className = "chart";
    const caption = document.createElement("figcaption");
    caption.append(Object.assign(document.createElement("span"), { className: "name", textContent: title }));
    if (canSwitch) {
      const label = document.createElement("label");
      const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: log });
      box.addEventListener("change", () => { this.log = box.checked; this.draw(); });
      label.append(box, words.log);
      caption.append(label);
    }
    this.svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
    this.told = Object.assign(document.createElement("div"), { className: "told" });
    this.told.hidden = true;
    this.figure.append(caption, this.svg, this.told);
    this.svg.addEventListener("pointermove", (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
      onPoint(Math.round(this.stepAt(at.x)), this);
    });
    this.svg.addEventListener("pointerleave", () => onPoint(null, this));
  }

  show(lines) { this.lines = lines; this.draw(); }

  x(step) { return LEFT + ((step - this.from) / (this.to - this.from)) * (WIDTH - LEFT - RIGHT); }

  stepAt(x) { return this.from + ((x - LEFT) / (WIDTH - LEFT - RIGHT)) * (this.to - this.from); }

  y(value) {
    const scale = this.isLog ? Math.log : (number) => number;
    const share = (scale(value) - scale(this.low)) / (scale(this.high) - scale(this.low));
    return HEIGHT - BOTTOM - Math.min(Math.max(share, -1), 2) * (HEIGHT - TOP - BOTTOM);
  }

  measure() {
    const points = this.lines.flatMap((line) => line.points);
    // A run that diverged would press all others flat: its line leaves the picture at the top
    const sound = this.lines.filter((line) => !line.points.at(-1)?.broken);
    const measured = sound.length ? sound : this.lines.map(({ points: all }) => ({ points: all.slice(0, 1 + all.findIndex((point) => point.broken) / 2) }));
    const means = measured.flatMap((line) => line.points.map((point) => point.mean)).filter((mean) => mean !== null);
    const positive = means.filter((mean) => mean > 0);
    this.isLog = this.log && positive.length > 0;
    const steps = points.map((point) => point.step);
    this.from = Math.min(...steps, Infinity);
    this.to = Math.max(...steps, -Infinity);
    if (!(this.from < this.to)) { this.from = Number.isFinite(this.from) ? this.from - 1 : 0; this.to = this.from + 2; }
    const used = this.isLog ? positive : means;
    let low = used.length ? used.reduce((a, b) => Math.min(a, b)) : 0;
    let high = used.length ? used.reduce((a, b) => Math.max(a, b)) : 1;
    if (this.guide && used.length) { low = Math.min(low, this.guide / 1.5); high = Math.max(high, this.guide * 1.5); }
    if (this.isLog) {
      low = Math.max(low, high * 1e-12) / 1.3;
      high *= 1.3;
      if (high / low < 3) { low /= 1.5; high *= 1.5; }
    } else {
      const room = (high - low || Math.abs(high) || 1) * 0.06;
      const isShare = this.bounded && low >= 0 && high <= 1;
      low = low >= 0 && low < (high - low) ? 0 : low - room;
      high = isShare ? 1 : high + room;
    }
    this.low = low;
    this.high = high;
  }

  draw() {
    this.measure();
    const parts = [this.axes()];
    const inside = drawn("svg", { x: LEFT, y: TOP, width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM, viewBox: `${LEFT} ${TOP} ${WIDTH - LEFT - RIGHT} ${HEIGHT - TOP - BOTTOM}` });
    if (this.guide) {
      inside.append(drawn("line", { class: "guide", x1: LEFT, x2: WIDTH, y1: this.y(this.guide), y2: this.y(this.guide) }));
    }
    const ends = [];
    for (const line of this.lines) {
      inside.append(...this.curve(line));
      const last = line.points.findLast((point) => point.mean !== null);
      if (last && !line.dash) ends.push({ line, y: this.y(last.mean) });
    }
    parts.push(inside);
    if (this.guide) parts.push(drawn("text", { class: "guide", x: WIDTH - RIGHT - 4, y: this.y(this.guide) - 5, "text-anchor": "end" }, this.words.guide));
    // Letters at the ends of the lines, moved apart where they would cover each other
    ends.sort((a, b) => a.y - b.y);
    let lowest = TOP;
    for (const { line, y } of ends) {
      const place = Math.max(Math.min(Math.max(y, TOP + 4), HEIGHT - BOTTOM), lowest);
      lowest = place + 13;
      parts.push(drawn("text", { class: "end", x: WIDTH - RIGHT + 6, y: place + 4, fill: line.colour }, line.letter));
    }
    for (const line of this.lines) parts.push(...this.broken(line));
    this.cursor = drawn("g", { class: "cursor" });
    this.svg.replaceChildren(...parts, this.cursor);
  }

  axes() {
    const group = drawn("g", { class: "axes" });
    for (const tick of this.isLog ? logTicks(this.low, this.high) : linearTicks(this.low, this.high)) {
      const y = this.y(tick);
      group.append(drawn("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }), drawn("text", { x: LEFT - 7, y: y + 4, "text-anchor": "end" }, figures(+tick.toPrecision(12))));
    }
    for (const tick of linearTicks(this.from, this.to).filter(Number.isInteger)) {
      const atEnd = this.x(tick) > WIDTH - RIGHT - 30;
      group.append(drawn("text", { x: this.x(tick), y: HEIGHT - BOTTOM + 18, "text-anchor": atEnd ? "end" : "middle" }, tick.toLocaleString("en").replaceAll(",", " ")));
    }
    group.append(drawn("line", { class: "base", x1: LEFT, x2: WIDTH - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
    return group;
  }

  /** The band and the line, in pieces where values are missing. */
  curve({ points, colour, dash }) {
    const pieces = [[]];
    for (const point of points) {
      if (point.mean === null || (this.isLog && !(point.mean > 0))) pieces.push([]);
      else pieces.at(-1).push(point);
    }
    const place = (point, value) => `${this.x(point.step).toFixed(1)} ${this.y(this.isLog ? Math.max(value, this.low / 10) : value).toFixed(1)}`;
    const made = [];
    for (const piece of pieces.filter((some) => some.length)) {
      if (piece.some((point) => point.high > point.low)) {
        const edge = [...piece.map((point) => place(point, point.high)), ...piece.toReversed().map((point) => place(point, point.low))];
        made.push(drawn("path", { d: `M${edge.join("L")}Z`, fill: colour, class: "band" }));
      }
      if (piece.length === 1) made.push(drawn("circle", { cx: this.x(piece[0].step), cy: this.y(piece[0].mean), r: 3, fill: colour }));
      const line = drawn("path", { d: `M${piece.map((point) => place(point, point.mean)).join("L")}`, stroke: colour, class: "line" });
      if (dash) line.setAttribute("stroke-dasharray", dash);
      made.push(line);
    }
    return made;
  }

  /** Along the top, from where to where values were not finite. */
  broken({ points, colour, letter }) {
    const stretches = [];
    points.forEach((point, place) => {
      if (!point.broken) return;
      if (place && points[place - 1].broken && stretches.length) stretches.at(-1)[1] = point.step;
      else stretches.push([point.step, point.step]);
    });
    return stretches.slice(0, 20).flatMap(([from, to], place) => {
      const mark = drawn("path", { class: "broken", d: `M${this.x(from) - 4} ${TOP - 4}l8 8m-8 0l8 -8M${this.x(from)} ${TOP}H${this.x(to)}`, stroke: colour });
      return place ? [mark] : [mark, drawn("text", { class: "broken", x: Math.min(this.x(from) + 8, WIDTH - RIGHT - 46), y: TOP - 4, fill: colour }, `${letter}: NaN`)];
    });
  }

  /** Mark a step and tell the values there; null takes the mark away. */
  point(step, isHere) {
    this.cursor?.replaceChildren();
    this.told.hidden = !isHere || step === null || !this.lines.length;
    if (step === null || !this.lines.length || step < this.from || step > this.to) { this.told.hidden = true; return; }
    this.cursor.append(drawn("line", { x1: this.x(step), x2: this.x(step), y1: TOP, y2: HEIGHT - BOTTOM }));
    const rows = [];
    for (const line of this.lines) {
      const nearest = line.points.reduce((best, point) => (best && Math.abs(best.step - step) <= Math.abs(point.step - step) ? best : point), null);
      if (!nearest) continue;
      if (nearest.mean !== null && (!this.isLog || nearest.mean > 0)) this.cursor.append(drawn("circle", { cx: this.x(nearest.step), cy: this.y(nearest.mean), r: 3.5, fill: line.colour }));
      if (!isHere) continue;
      const row = document.createElement("div");
      const letter = Object.assign(document.createElement("b"), { textContent: line.letter });
      letter.style.color = line.colour;
      const number = nearest.mean === null ? "" : figures(nearest.mean);
      const spread = nearest.high > nearest.low ? ` (${this.words.range(figures(nearest.low), figures(nearest.high))})` : "";
      const fault = nearest.broken ? ` ${this.words.notFinite(nearest.broken, nearest.count)}` : "";
      row.append(letter, ` ${line.label}: ${number}${spread}${fault}  `, Object.assign(document.createElement("i"), { textContent: `${this.words.step} ${nearest.step}` }));
      rows.push(row);
    }
    this.told.replaceChildren(...rows);
  }
}
