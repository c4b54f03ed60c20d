// A scene of the documented format (docs/scene.md), read with its defaults filled in and its wires joined to its nodes.
import { toNumber, numberText, shapeText } from "./numbers.js";

const FORMAT = "gatewise-scene";
const VERSION = 2;

const NOTHING = Object.freeze([]);
const NO_CONSTANTS = new Map();

/** A single number of dtype float64 as a quantity. A circuit has many: what is the same for all stands in the prototype. */
class SingleNumber {
  constructor(number) { this.number = number; this.text = numberText(number); }
}
Object.assign(SingleNumber.prototype, { shape: NOTHING, dtype: "float64", statistics: null, cells: null, histogram: NOTHING });

export const numberQuantity = (number) => new SingleNumber(number);

const statisticsOf = (row) => {
  const [minimum, maximum, mean, deviation] = row.slice(0, 4).map(toNumber);
  const [zeros, size, nans, infinities] = row.slice(4);
  return { minimum, maximum, mean, deviation, zeros, size, nans, infinities };
};

/** The rows of a thumbnail as numbers. */
const cellsOf = (text, known) => {
  if (!text || !known) return null;
  const [size, encoded] = text.split(":");
  const columns = +size.split("x")[1];
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  const broken = { 253: -Infinity, 254: Infinity, 255: NaN };
  const rows = [];
  bytes.forEach((byte, place) => {
    if (place % columns === 0) rows.push([]);
    const part = byte / 252;
    rows[rows.length - 1].push(byte > 252 ? broken[byte] : known.minimum * (1 - part) + known.maximum * part);
  });
  return rows;
};

const quantityOf = (data) => {
  if (data === null || data === undefined) return null;
  if (typeof data !== "object") return numberQuantity(toNumber(data));
  const shape = data.shape ?? NOTHING;
  const number = data.number === undefined || data.number === null ? null : toNumber(data.number);
  const statistics = data.statistics ? statisticsOf(data.statistics) : null;
  const text = data.text ?? (number === null ? shapeText(shape) : numberText(number));
  return {
    shape, dtype: data.dtype ?? "float64", number, text, statistics,
    cells: cellsOf(data.thumbnail, statistics), histogram: data.histogram ?? NOTHING,
  };
};

/** A text for the drawing, where there is no room for a long one. */
export const shortened = (text, most = 24) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

const inLanguage = (text, language) => (typeof text === "object" && text ? text[language] ?? text.en ?? "" : text ?? "");

/** The scene, or an Error that says what is wrong with it. */
export const readScene = (data, language = "en") => {
  if (!data || typeof data !== "object" || data.format !== FORMAT) throw new Error(`this is not a picture of a circuit: its "format" should be "${FORMAT}"`);
  if (data.version !== VERSION) throw new Error(`this scene has format version ${data.version}, and this viewer reads version ${VERSION}`);
  if (!Array.isArray(data.nodes) || !Array.isArray(data.edges)) throw new Error("this scene has no list of nodes, or none of edges");
  const gates = new Map(Object.entries(data.gates ?? {}).map(([key, gate]) => [key, {
    key, name: gate.name ?? key, symbol: gate.symbol ?? "", story: inLanguage(gate.story, language),
    formula: gate.formula ?? "", wires: gate.wires ?? [], value: gate.value ?? null, locals: gate.locals ?? [],
    alternatives: gate.alternatives ?? [],
  }]));
  const sources = data.sources ?? [];
  const nodes = new Map();
  for (const row of data.nodes) {
    if (typeof row.identifier !== "number") throw new Error("a node of this scene has no identifier");
    const gate = gates.get(row.gate) ?? null;
    nodes.set(row.identifier, {
      identifier: row.identifier, kind: row.kind ?? "gate", name: row.name ?? "", gate, gateName: gate ? gate.name : row.gate ?? "",
      label: shortened(row.label ?? ((gate && gate.symbol) || row.name || "")), story: inLanguage(row.story, language) || (gate ? gate.story : ""),
      value: quantityOf(row.value), gradient: quantityOf(row.gradient), expression: row.expression ?? "",
      source: row.source === undefined || row.source === null ? null : sources[row.source] ?? null,
      group: row.group ?? null, constants: row.constants ? new Map(Object.entries(row.constants).map(([slot, number]) => [+slot, toNumber(number)])) : NO_CONSTANTS,
      incoming: [], outgoing: [], place: nodes.size, back: 0, holds: row.holds ?? 0,
    });
  }
  const edges = data.edges.map((row, number) => {
    const source = nodes.get(row.source);
    const target = nodes.get(row.target);
    if (!source || !target) throw new Error(`wire ${number} of this scene joins a node that is not there`);
    const gradient = row.gradient === "total" ? source.gradient : quantityOf(row.gradient);
    const edge = { number, source, target, slot: row.slot ?? 0, gradient, local: quantityOf(row.local), wire: row.wire, count: row.count ?? 1, port: 0 };
    source.outgoing.push(edge);
    target.incoming.push(edge);
    if (gradient) source.back += 1;
    return edge;
  });
  for (const node of nodes.values()) node.incoming.forEach((edge, place) => { edge.port = place - (node.incoming.length - 1) / 2; });
  return { title: data.title ?? "", total: data.total ?? nodes.size, nodes, edges, gates, sources, groups: data.groups ?? [] };
};

/** How many gates a node is: one, none, or those that a summary stands for (one with a name stands for inputs). */
export const gatesOf = (node) => (node.kind === "gate" ? 1 : node.kind === "summary" && !node.name ? node.holds : 0);

/** What a wire is called: the variable on it, else the expression, else the gate's own name for it. */
export const wireName = (edge) => {
  const { source, target, slot } = edge;
  const own = edge.wire ?? (target.gate && target.gate.wires[slot]) ?? "";
  return source.name || (source.kind === "input" ? source.label : source.expression) || own || `input ${slot}`;
};
