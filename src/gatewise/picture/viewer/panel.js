// A gate told in full: its chain rule in real numbers, its story, its array's spread, its line of code.
import { digits, isAlarming, normOf, quantityText, shapeText } from "./numbers.js";
import { gatesOf, wireName } from "./scene.js";

/** An element with a class, a text (never markup) and children. */
export const element = (tag, kind = "", text = "", ...children) => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

const figure = (quantity, kind) => element("span", `${kind}${quantity && isAlarming(quantity) ? " alarm" : ""}`, quantityText(quantity));
const row = (...parts) => element("div", "row numbers", "", ...parts);

const MANY = 100; // rows of a fork that are told

const HEAT = { above: [230, 97, 1], below: [5, 113, 176] };

/** The colour of a cell: blue below zero, orange above, pale at zero; black where it is not finite. */
export const heat = (cell, largest) => {
  if (!Number.isFinite(cell)) return "#000000";
  const strength = largest ? Math.sqrt(Math.abs(cell) / largest) : 0;
  const end = cell > 0 ? HEAT.above : HEAT.below;
  return `rgb(${end.map((channel) => Math.round(250 + (channel - 250) * strength)).join(",")})`;
};

const heatMap = (quantity) => {
  const cells = quantity.cells.flat().filter(Number.isFinite).map(Math.abs);
  const largest = Math.max(0, ...cells);
  const canvas = element("canvas", "heat");
  canvas.width = quantity.cells[0].length;
  canvas.height = quantity.cells.length;
  canvas.style.width = `${canvas.width * 14}px`;
  canvas.style.height = `${canvas.height * 14}px`;
  const pen = canvas.getContext("2d");
  quantity.cells.forEach((cellRow, y) => cellRow.forEach((cell, x) => { pen.fillStyle = heat(cell, largest); pen.fillRect(x, y, 1, 1); }));
  return canvas;
};

const histogram = (quantity, kind) => {
  const most = Math.max(...quantity.histogram);
  const bars = quantity.histogram.map((count) => {
    const bar = element("i", kind);
    bar.style.height = `${(count / most) * 100}%`;
    bar.title = String(count);
    return bar;
  });
  return element("div", "histogram", "", ...bars);
};

const arrayParts = (quantity, kind, title, words) => {
  const known = quantity && quantity.shape.length ? quantity.statistics : null;
  if (!known) return [];
  const finite = (number) => (known.size > known.nans + known.infinities ? digits(number) : "–");
  const facts = [
    [words.shape, shapeText(quantity.shape)], [words.dtype, quantity.dtype], [words.minimum, finite(known.minimum)],
    [words.maximum, finite(known.maximum)], [words.mean, finite(known.mean)], [words.deviation, finite(known.deviation)],
    [words.norm, finite(normOf(quantity))], [words.zeros, `${known.zeros} ${words.of} ${known.size}`],
    ["nan", String(known.nans)], ["inf", String(known.infinities)],
  ];
  const table = element("table", "numbers", "", ...facts.map(([name, fact]) => element("tr", "", "", element("td", "", name),
    element("td", "", "", element("span", (name === "nan" || name === "inf") && fact !== "0" ? "alarm" : "", fact)))));
  const pictures = element("div", "pictures", "", ...(quantity.cells ? [heatMap(quantity)] : []), ...(quantity.histogram.length ? [histogram(quantity, kind)] : []));
  return [element("h2", "", `${title} ${words.numbers}`), pictures, table];
};

/** The heading of a node: "q: add (+)". */
export const heading = (node, words) => (node.kind === "gate"
  ? `${node.name ? `${node.name}: ` : ""}${node.gateName || node.label}${node.label && node.label !== node.gateName && node.gateName ? ` (${node.label})` : ""}`
  : node.kind === "summary" ? standsFor(node, words) : `${words[node.kind] ?? node.kind} ${node.label}`);

/** What a summary stands for. */
const standsFor = (node, words) => (gatesOf(node) ? words.gates(node.holds) : `${node.name}: ${words.inputs(node.holds)}`);

const rule = (edge, words) => {
  const left = element("b", "", wireName(edge));
  if (edge.count > 1) left.append(` … (${words.wires(edge.count)})`);
  if (!edge.gradient) return row(left, ` ${words.noGradient}`);
  if (edge.target.kind === "summary") return row(left, " ", figure(edge.gradient, "gradient"));
  const upstream = figure(edge.target.gradient, "gradient");
  if (!edge.local) return row(left, ` ${words.upstream} `, upstream, " → ", figure(edge.gradient, "gradient"));
  return row(left, " ", upstream, " × ", figure(edge.local, "local"), " = ", figure(edge.gradient, "gradient"));
};

/** What to do with an input, as a force: the gradient says which way the result moves it. */
const force = (node, words) => {
  if (!node.gradient || node.gradient.number === null || !Number.isFinite(node.gradient.number) || node.gradient.number === 0) return [];
  const move = 0.1 / node.gradient.number;
  return [element("p", "force", words.force("0.1", node.name || words.this, digits(Math.abs(move)), move))];
};

/** All that is told of a node; `tools(edge)` gives the controls that stand beside a wire's row. */
export const told = (node, words, tools) => {
  const parts = [element("h1", "", heading(node, words))];
  if (node.story) parts.push(element("p", "story", node.story));
  if (node.gate && node.gate.formula) parts.push(row(element("b", "", words.formula), ` ${node.gate.formula}`));
  if (node.kind === "output") return parts;
  if (node.kind === "summary") parts.push(element("p", "note", node.value ? words.toldTogether : words.toldAfter));
  if (node.kind !== "summary" || node.value) {
    parts.push(row(element("b", "", words.value), " ", figure(node.value, "value")));
    parts.push(row(element("b", "", words.gradient), " ", figure(node.gradient, "gradient")));
  }
  parts.push(...force(node, words));
  const wires = [...node.incoming].sort((one, other) => one.slot - other.slot);
  if (wires.length) {
    parts.push(element("h2", "", node.kind === "summary" ? words.goesBack : wires.some((edge) => edge.local) ? words.upstreamLocal : words.upstreamOnly));
    for (const edge of wires) {
      const told = rule(edge, words);
      told.append(...tools(edge));
      parts.push(told);
    }
  }
  const back = node.outgoing.filter((edge) => edge.gradient);
  if (back.length > 1) {
    parts.push(element("h2", "", words.forks));
    for (const edge of back.slice(0, MANY)) parts.push(row(element("b", "", words.from), ` ${edge.target.name || edge.target.label} `, figure(edge.gradient, "gradient")));
    if (back.length > MANY) parts.push(row(`… ${back.length - MANY}`));
  }
  parts.push(...arrayParts(node.value, "value", words.value, words), ...arrayParts(node.gradient, "gradient", words.gradient, words));
  if (node.source) {
    parts.push(element("h2", "", `${node.source.file}:${node.source.line}`));
    if (node.source.text) parts.push(element("pre", "", node.source.text));
  }
  return parts;
};
