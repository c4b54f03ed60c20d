// The two passes as a row of steps: values appear gate by gate, then gradients, gate by gate in reverse.
import { isAlarming, normOf, numberText } from "./numbers.js";
import { gradientText } from "./labels.js";
import { seedOf } from "./compute.js";

/** The place of a step that is not taken: after all others. */
export const NEVER = 2 ** 31 - 1;

/** The steps of a scene. Position p means that the first p of them were taken. */
export const stepsOf = (scene) => {
  const drawn = [...scene.nodes.values()].filter((node) => node.kind !== "output");
  const steps = drawn.map((node) => ({ pass: "forward", node }));
  for (const node of drawn) {
    const seeded = node.outgoing.some((edge) => edge.target.kind === "output");
    if (seeded && node.gradient && seedOf(node) !== 0) steps.push({ pass: "seed", node });
  }
  for (const node of drawn.reverse()) {
    if ((node.kind === "gate" || node.kind === "summary") && node.incoming.some((edge) => edge.gradient)) steps.push({ pass: "backward", node });
  }
  return steps;
};

/** What is known at a position: which values, and of each gradient the parts that have arrived. */
export class Stepper {
  constructor(scene) {
    this.steps = stepsOf(scene);
    // By the node's place in the scene, the step that computes it, seeds it, goes back through it.
    const places = () => new Int32Array(scene.nodes.size).fill(NEVER);
    [this.forward, this.seed, this.backward] = [places(), places(), places()];
    this.steps.forEach(({ pass, node }, place) => { this[pass][node.place] = place; });
    this.position = this.steps.length;
  }

  get length() { return this.steps.length; }

  /** Go to a position; how far outside the row one asks, the ends hold. */
  go(position) { this.position = Math.min(Math.max(Math.round(position), 0), this.length); return this.position; }

  hasValue(node) { return this.forward[node.place] < this.position; }

  hasStepped(node) { return this.backward[node.place] < this.position; }

  /** The parts of a node's gradient that have arrived, and whether that is all of them. */
  arrived(node) {
    const back = node.outgoing.filter((edge) => edge.gradient);
    const parts = back.filter((edge) => this.hasStepped(edge.target)).map((edge) => edge.gradient);
    const isSeeded = this.seed[node.place] !== NEVER;
    if (this.seed[node.place] < this.position) parts.unshift(back.length ? { number: seedOf(node) } : node.gradient);
    return { parts, complete: parts.length === back.length + (isSeeded ? 1 : 0) && (parts.length > 0 || this.position === this.length) };
  }

  /** The label of a gradient of which these parts have arrived: `7.00`, or `1.00 + …` while others are on their way. */
  textOfGradient(node, parts, complete) {
    if (complete || !parts.length) return gradientText(node);
    if (parts.some((part) => part.number === null)) return "+ …";
    return `${numberText(parts.reduce((sum, part) => sum + part.number, 0))} + …`;
  }

  /** The nodes that look different after the step at this place. */
  touched(place) {
    const step = this.steps[place];
    return step.pass === "backward" ? [step.node, ...step.node.incoming.map((edge) => edge.source)] : [step.node];
  }

  /** Run from here to where a breakpoint holds, forward or back; false where nothing stops. */
  run(holds, direction) {
    for (let place = this.position + direction; place >= 1 && place <= this.length; place += direction) {
      if (holds(this.steps[place - 1])) { this.position = place; return true; }
    }
    return false;
  }
}

const produced = (step) => (step.pass === "forward" ? [step.node.value]
  : step.pass === "seed" ? [step.node.gradient] : step.node.incoming.map((edge) => edge.gradient)).filter(Boolean);

/** A breakpoint out of its text: a condition on what a step produces, a line, or a gate or variable; null for none. */
export const breakpointOf = (text) => {
  const said = text.trim();
  if (!said) return null;
  if (/^(not finite|nan|inf)$/i.test(said)) return (step) => produced(step).some(isAlarming);
  const norm = said.match(/^norm\s*(>|<)\s*([-+.\deE]+)$/i);
  if (norm) {
    const bound = Number(norm[2]);
    if (Number.isNaN(bound)) return null;
    return (step) => produced(step).some((quantity) => (norm[1] === ">" ? normOf(quantity) > bound : normOf(quantity) < bound));
  }
  const line = said.match(/^(?:line\s*|.*:)(\d+)$/i);
  if (line) return (step) => step.node.source !== null && step.node.source.line === +line[1];
  return (step) => [step.node.gateName, step.node.name, step.node.label].includes(said);
};
