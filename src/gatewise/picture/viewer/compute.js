// What if, without a program behind the page: a scene of single numbers computed again by its gates' own formulas.
import { numberQuantity } from "./scene.js";
import { toNumber } from "./numbers.js";

const yes = (truth) => (truth ? 1 : 0);
const even = (x) => { // halves go to the even neighbour, as the standard rounds
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
};
const extreme = (choose) => (x, y) => (Number.isNaN(x) || Number.isNaN(y) ? NaN : choose(x, y));
const modulo = (x, y) => { const rest = x % y; return rest !== 0 && (rest < 0) !== (y < 0) ? rest + y : rest; };

/** Functions of the Array API standard on single numbers, and the three more that the format allows. */
const FUNCTIONS = {
  add: (x, y) => x + y, subtract: (x, y) => x - y, multiply: (x, y) => x * y, divide: (x, y) => x / y,
  pow: (x, y) => (x === 1 || y === 0 ? 1 : x === -1 && Math.abs(y) === Infinity ? 1 : x ** y),
  remainder: modulo, floor_divide: (x, y) => Math.floor(x / y), negative: (x) => -x, positive: (x) => x,
  abs: Math.abs, sign: Math.sign, square: (x) => x * x, reciprocal: (x) => 1 / x, sqrt: Math.sqrt,
  exp: Math.exp, expm1: Math.expm1, log: Math.log, log1p: Math.log1p, log2: Math.log2, log10: Math.log10,
  logaddexp: (x, y) => (x === y ? x + Math.LN2 : Math.max(x, y) + Math.log1p(Math.exp(-Math.abs(x - y)))),
  sin: Math.sin, cos: Math.cos, tan: Math.tan, asin: Math.asin, acos: Math.acos, atan: Math.atan, atan2: Math.atan2,
  sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh, asinh: Math.asinh, acosh: Math.acosh, atanh: Math.atanh,
  maximum: extreme(Math.max), minimum: extreme(Math.min), hypot: Math.hypot, floor: Math.floor, ceil: Math.ceil,
  trunc: Math.trunc, round: even, copysign: (x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x)),
  signbit: (x) => yes(x < 0 || Object.is(x, -0)), isnan: (x) => yes(Number.isNaN(x)), isfinite: (x) => yes(Number.isFinite(x)),
  isinf: (x) => yes(Math.abs(x) === Infinity), equal: (x, y) => yes(x === y), not_equal: (x, y) => yes(x !== y),
  less: (x, y) => yes(x < y), less_equal: (x, y) => yes(x <= y), greater: (x, y) => yes(x > y), greater_equal: (x, y) => yes(x >= y),
  logical_and: (x, y) => yes(x && y), logical_or: (x, y) => yes(x || y), logical_not: (x) => yes(!x),
  logical_xor: (x, y) => yes(!x !== !y), where: (condition, x, y) => (condition ? x : y),
};

/** An expression's value for named numbers; an Error for anything that the format does not allow. */
export const evaluate = (expression, names) => {
  if (typeof expression === "number") return expression;
  if (typeof expression === "string") {
    if (Object.hasOwn(names, expression)) return names[expression];
    if (["nan", "inf", "-inf"].includes(expression)) return toNumber(expression);
    throw new Error(`a formula names ${expression}, which is no wire`);
  }
  if (!Array.isArray(expression) || typeof expression[0] !== "string" || !Object.hasOwn(FUNCTIONS, expression[0])) {
    throw new Error("a formula asks for a function that is not allowed");
  }
  return FUNCTIONS[expression[0]](...expression.slice(1).map((part) => evaluate(part, names)));
};

/** Whether a scene can be computed here: single numbers throughout, and a formula for every gate. */
export const isComputable = (scene) => scene.total <= scene.nodes.size && [...scene.nodes.values()].every((node) => {
  if (node.kind === "output") return true;
  if (!node.value || node.value.number === null || node.value.dtype !== "float64") return false;
  return node.kind !== "gate" || (node.gate !== null && node.gate.value !== null);
});

const clash = (wires) => new Set(wires).size !== wires.length;

/** All values and gradients of a scene under edits, as a map of nodes and a list of edges; the scene stays as it is. */
export const computed = (scene, edits) => {
  const set = new Map();
  const wires = new Map();
  const swapped = new Map();
  for (const edit of edits) {
    if (edit.kind === "set") set.set(edit.node, edit.value);
    else if (edit.kind === "swap") swapped.set(edit.node, scene.gates.get(edit.gate));
    else wires.set(`${edit.target}:${edit.slot}`, edit.kind);
  }
  const values = new Map();
  const named = new Map();
  const gateOf = (node) => swapped.get(node.identifier) ?? node.gate;
  for (const node of scene.nodes.values()) {
    if (node.kind === "output") continue;
    if (node.kind !== "gate") {
      values.set(node, set.has(node.identifier) ? set.get(node.identifier) : node.value.number);
      continue;
    }
    const gate = gateOf(node);
    const names = {};
    if (clash(gate.wires)) throw new Error(`two wires of ${gate.name} have the same name`);
    node.constants.forEach((number, slot) => { names[gate.wires[slot]] = number; });
    for (const edge of node.incoming) {
      const how = wires.get(`${node.identifier}:${edge.slot}`);
      names[gate.wires[edge.slot]] = how === "cut" ? 0 : values.get(edge.source);
    }
    names.out = evaluate(gate.value, names);
    values.set(node, names.out);
    named.set(node, names);
  }
  const gradients = new Map();
  const parts = new Array(scene.edges.length).fill(null);
  const locals = new Array(scene.edges.length).fill(null);
  const arrive = (node, part) => gradients.set(node, gradients.has(node) ? gradients.get(node) + part : part);
  for (const node of scene.nodes.values()) {
    const seed = seedOf(node);
    if (seed !== null) arrive(node, seed);
    if (node.kind === "input" && node.gradient) arrive(node, 0);
  }
  for (const node of [...scene.nodes.values()].reverse()) {
    if (node.kind !== "gate" || !gradients.has(node)) continue;
    const gate = gateOf(node);
    const upstream = gradients.get(node);
    for (const edge of node.incoming) {
      const local = gate.locals[edge.slot];
      if (edge.gradient === null || local === null || local === undefined) continue;
      const stopped = wires.has(`${node.identifier}:${edge.slot}`);
      const slope = evaluate(local, named.get(node));
      locals[edge.number] = stopped ? null : numberQuantity(slope);
      parts[edge.number] = stopped ? null : numberQuantity(upstream === 0 ? 0 : upstream * slope);
      if (!stopped) arrive(edge.source, parts[edge.number].number);
    }
  }
  return {
    nodes: new Map([...values].map(([node, value]) => [node.identifier, {
      value: numberQuantity(value),
      gradient: gradients.has(node) && node.gradient ? numberQuantity(gradients.get(node)) : null,
    }])),
    edges: scene.edges.map((edge) => ({ gradient: parts[edge.number], local: locals[edge.number] })),
  };
};

/** The gradient that a result starts with: what of its own gradient comes from no gate; null where it is no result. */
export const seedOf = (node) => {
  if (!node.gradient || node.gradient.number === null || !node.outgoing.some((edge) => edge.target.kind === "output")) return null;
  const back = node.outgoing.filter((edge) => edge.gradient && edge.gradient.number !== null);
  return back.length ? node.gradient.number - back.reduce((sum, edge) => sum + edge.gradient.number, 0) : node.gradient.number;
};
