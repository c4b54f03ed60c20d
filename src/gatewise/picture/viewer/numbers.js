// How numbers and quantities are worded: the compact numbers of the CS231n notes, as picture/words.py writes them.

const BROKEN = new Map([["nan", NaN], ["inf", Infinity], ["-inf", -Infinity]]);

/** A number of the format: JSON has no NaN and no infinities, so these are strings there. */
export const toNumber = (given) => (typeof given === "string" ? (BROKEN.has(given) ? BROKEN.get(given) : NaN) : given);

const wild = (number) => (Number.isNaN(number) ? "nan" : number > 0 ? "inf" : "-inf");
const exponent = (text) => text.replace(/e([+-])(\d)$/, "e$10$2");

/** Two decimals, at least two significant digits, never "-0.00". */
export const numberText = (number) => {
  if (!Number.isFinite(number)) return wild(number);
  const size = Math.abs(number);
  if (size === 0) return "0.00";
  if (size >= 99999.95 || size < 0.000995) return exponent(number.toExponential(1));
  if (size >= 999.95) return number.toFixed(1);
  if (size >= 0.0995) return number.toFixed(2);
  return number.toFixed(size >= 0.00995 ? 3 : 4);
};

/** Six significant digits, for sentences. */
export const digits = (number) => (Number.isFinite(number) ? String(+number.toPrecision(6)) : wild(number));

export const shapeText = (shape) => (shape.length === 1 ? `(${shape[0]},)` : shape.join("×"));

export const isAlarming = (quantity) => (quantity.number !== null
  ? !Number.isFinite(quantity.number)
  : quantity.statistics !== null && quantity.statistics.nans + quantity.statistics.infinities > 0);

/** The Euclidean norm of the finite entries. */
export const normOf = (quantity) => {
  if (quantity.number !== null) return Math.abs(quantity.number);
  const known = quantity.statistics;
  if (!known) return 0;
  const finite = known.size - known.nans - known.infinities;
  return Math.sqrt(finite * (known.mean ** 2 + known.deviation ** 2));
};

/** A quantity in a sentence: six digits of a number, shape and range of an array. */
export const quantityText = (quantity) => {
  if (!quantity) return "–";
  if (quantity.number !== null) return digits(quantity.number);
  const known = quantity.statistics;
  if (!known || !quantity.shape.length) return quantity.text;
  const facts = [[known.nans, "nan"], [known.infinities, "inf"]].filter(([count]) => count).map(([count, what]) => `${count} ${what}`);
  if (known.size > known.nans + known.infinities) facts.push(`${digits(known.minimum)}…${digits(known.maximum)}`);
  return `${shapeText(quantity.shape)} [${facts.join(", ") || "0"}]`;
};
