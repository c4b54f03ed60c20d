// What stands beside the wires, and how much room it takes: the house style's measures, as svg.py has them.
import { isAlarming, numberText } from "./numbers.js";

export const RADIUS = 20;
export const CELL = 5; // of a thumbnail
export const PORT_STEP = 16;
const CHARACTER = 7.6;

/** What an array spans, or what is wrong with it. */
const rangeText = (quantity) => {
  const known = quantity.statistics;
  if (!known) return quantity.text;
  if (isAlarming(quantity)) return [[known.nans, "nan"], [known.infinities, "inf"]].filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(" ");
  if (!known.size) return "empty";
  return known.minimum === known.maximum ? `all ${numberText(known.minimum)}` : `${numberText(known.minimum)}…${numberText(known.maximum)}`;
};

/** A label: a number; the shape of an array above the wire, the range of its gradient below. */
export const textOf = (quantity, below) => {
  if (!quantity) return "";
  const text = quantity.number !== null ? quantity.text : below || isAlarming(quantity) ? rangeText(quantity) : quantity.text;
  return isAlarming(quantity) ? `! ${text}` : text;
};

/** Whether the wire of this node ends at a result that bears its name already. */
export const namesResult = (node) => node.outgoing.some((edge) => edge.target.kind === "output");

/** The label below the wire; into a result, the upstream gradient enters from the right. */
export const gradientText = (node, text = textOf(node.gradient, true)) => (text && namesResult(node) ? `← ${text}` : text);

/** What an arriving wire of a fork adds to the gradient. */
export const partText = (edge) => (edge.gradient && edge.source.back > 1 ? textOf(edge.gradient, true) : "");

/** Width and height of a heat map. */
export const thumbnailSize = (quantity) => {
  if (!quantity || !quantity.cells || !quantity.cells.length) return [0, 0];
  const rows = quantity.cells.length;
  return [quantity.cells[0].length * CELL, (rows > 1 ? rows * CELL : 2 * CELL) + 4];
};

/** Width and height of a node's shape. */
export const shapeSize = (node) => (node.kind === "gate"
  ? [Math.max(2 * RADIUS, node.label.length * 9.2 + 16), 2 * RADIUS] : [node.label.length * CHARACTER + 14, 26]);

/** The room a node takes: its shape, the label at its right, and what stands above and below the middle. */
export const roomOf = (node) => {
  const [width, height] = shapeSize(node);
  if (!node.outgoing.length) return { width, height, label: 0, above: 0, below: 0 };
  const texts = Math.max(textOf(node.value, false).length, gradientText(node).length) * CHARACTER + 14;
  const [valueWidth, above] = thumbnailSize(node.value);
  const [gradientWidth, below] = thumbnailSize(node.gradient);
  return { width, height, label: Math.max(texts, valueWidth + 16, gradientWidth + 16), above, below };
};

/** The room of a text. */
export const textWidth = (text) => text.length * CHARACTER;
