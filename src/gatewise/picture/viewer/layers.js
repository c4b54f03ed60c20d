// One level of a drawing: things of any size in columns, wires from left to right. The passes are those of layout.py,
// after Sugiyama, Tagawa and Toda (1981), on typed arrays: each visits every thing and wire a fixed number of times.

const ORDER_SWEEPS = 24;
const PATIENCE = 8; // sweeps without fewer crossings, after which the order is taken
const EXCHANGED = 10000; // things and waypoints up to which neighbours are swapped as well
const ROUNDS = 100;
const HEIGHT_SWEEPS = 7;
const NEAR_RANKS = 4; // of a few things a leaf stands at the left, unless its first use is farther than this; of more, before its use
const FEW = 60;
const BEND_WEIGHT = 8; // how much more a long wire resists being bent than a thing resists being moved
const WAYPOINTS = 4; // per thing; beyond that the longest wires run straight: they could number the square of the things
const LARGE = 20000; // things and waypoints, beyond which fewer sweeps are made
export const ROW = 66; // between the middles of neighbours of the usual size
const WIRE = 30; // the room of a wire that passes a column

const ORDER = ["things", "trunk", "ranks", "from", "to", "port", "leaves", "arrives", "before", "after", "columns", "fewest"];

/** Lists of numbers by number, one after another in one array: those of `key` are `items[start[key] … start[key + 1]]`. */
class Rows {
  constructor(count, keys, items) {
    this.start = new Int32Array(count + 1);
    for (const key of keys) this.start[key + 1] += 1;
    for (let key = 0; key < count; key += 1) this.start[key + 1] += this.start[key];
    const next = this.start.slice(0, count);
    this.items = new Int32Array(keys.length);
    keys.forEach((key, place) => { this.items[next[key]] = items ? items[place] : place; next[key] += 1; });
  }

  count(key) { return this.start[key + 1] - this.start[key]; }
}

/**
 * The order of things in columns. `wires` joins outlets to things: outlet `o` belongs to the thing `owner[o]`, and all
 * wires of an outlet run together as far as they can. `port` says where a wire arrives, in rows below the middle.
 * `kinds` has a letter for each thing: "g" a gate or a group, "i" an input, "c" a constant (which stands beside its use), "<" and ">" what enters and leaves the level.
 * Things are numbered so that sources come before targets; a wire against that order is drawn and otherwise ignored.
 */
export class Layers {
  /** `twin` are layers of the same kinds, owners and wires, where there are some: then their order is taken over. */
  constructor(kinds, owner, wires, twin = null) {
    this.count = kinds.length;
    this.owner = owner;
    this.wires = wires.filter(({ outlet, target }) => owner[outlet] < target);
    this.against = wires.filter(({ outlet, target }) => owner[outlet] >= target);
    this.twin = twin;
    if (twin) {
      for (const name of ORDER) this[name] = twin[name];
      return;
    }
    this.rank(kinds);
    this.route();
    this.sort();
  }

  // --- ranks: the longest path from the left; then whatever costs no wire moves right, toward its use ------------------

  rank(kinds) {
    const { count, wires, owner } = this;
    const before = new Rows(count, wires.map(({ target }) => target), wires.map(({ outlet }) => owner[outlet]));
    const after = new Rows(count, wires.map(({ outlet }) => owner[outlet]), wires.map(({ target }) => target));
    const rank = new Int32Array(count);
    const first = kinds.includes("<") ? 1 : 0;
    const leaf = kinds.map((kind) => kind === "i" || kind === "c" || kind === "<");
    for (let thing = 0; thing < count; thing += 1) {
      let most = kinds[thing] === "<" ? -1 : first - 1;
      for (let at = before.start[thing]; at < before.start[thing + 1]; at += 1) most = Math.max(most, rank[before.items[at]]);
      rank[thing] = most + 1;
    }
    const nearest = (thing) => {
      let least = Infinity;
      for (let at = after.start[thing]; at < after.start[thing + 1]; at += 1) least = Math.min(least, rank[after.items[at]]);
      return least;
    };
    const distinct = (rows, thing) => new Set(rows.items.subarray(rows.start[thing], rows.start[thing + 1]));
    const uses = Float64Array.from({ length: count }, (_, thing) => (after.count(thing) > 1 ? distinct(after, thing).size : 1));
    for (let thing = count - 1; thing >= 0; thing -= 1) {
      if (leaf[thing] || kinds[thing] === ">" || !after.count(thing)) continue;
      let held = 0; // wires that would grow: of one that others use, too, the share
      for (const source of distinct(before, thing)) if (!leaf[source]) held += 1 / uses[source];
      if (held < uses[thing]) rank[thing] = Math.max(rank[thing], nearest(thing) - 1);
    }
    let last = 0;
    for (let thing = 0; thing < count; thing += 1) {
      if (leaf[thing] && kinds[thing] !== "<" && after.count(thing)) {
        const use = nearest(thing);
        rank[thing] = kinds[thing] === "c" || count > FEW || use > NEAR_RANKS + first ? use - 1 : first;
      }
      if (kinds[thing] !== ">") last = Math.max(last, rank[thing]);
    }
    for (let thing = 0; thing < count; thing += 1) if (kinds[thing] === ">") rank[thing] = last + 1;
    this.things = rank;
  }

  // --- waypoints: every segment spans one rank ------------------------------------------------------------------------

  route() {
    const { count, wires, owner, things } = this;
    const reach = new Int32Array(owner.length);
    for (const { outlet, target } of wires) reach[outlet] = Math.max(reach[outlet], things[target] - things[owner[outlet]]);
    let budget = (count > LARGE ? 1 : WAYPOINTS) * count + 200;
    const long = [...reach.keys()].filter((outlet) => reach[outlet] > 1).sort((one, other) => reach[one] - reach[other]);
    const ranks = [...things];
    const from = [];
    const to = [];
    const port = [];
    const leaves = []; // the outlet of a segment that starts at a thing, else -1
    const arrives = []; // the wire of a segment that ends at a thing, else -1
    const join = (source, target, offset, outlet, wire) => { from.push(source); to.push(target); port.push(offset); leaves.push(outlet); arrives.push(wire); };
    this.trunk = new Int32Array(owner.length).fill(-1);
    for (const outlet of long) {
      budget -= reach[outlet];
      if (budget < 0) break;
      this.trunk[outlet] = ranks.length;
      for (let step = 1; step < reach[outlet]; step += 1) {
        ranks.push(things[owner[outlet]] + step);
        join(step === 1 ? owner[outlet] : ranks.length - 2, ranks.length - 1, 0, step === 1 ? outlet : -1, -1);
      }
    }
    wires.forEach(({ outlet, target, port: offset }, wire) => {
      const span = things[target] - things[owner[outlet]];
      if (span === 1) join(owner[outlet], target, offset, outlet, wire);
      else if (this.trunk[outlet] >= 0) join(this.trunk[outlet] + span - 2, target, offset, -1, wire);
    });
    Object.assign(this, { ranks: Int32Array.from(ranks), from, to, port, leaves, arrives });
    this.before = new Rows(ranks.length, to);
    this.after = new Rows(ranks.length, from);
  }

  // --- the order within a rank: the one with the fewest crossings among a few sweeps ------------------------------------

  sort() {
    const reading = this.reading();
    const size = this.ranks.length;
    const columns = Array.from({ length: this.ranks.reduce((most, rank) => Math.max(most, rank), -1) + 1 }, () => []);
    const sequence = new Int32Array(size);
    reading.forEach((turn, thing) => { sequence[turn] = thing; });
    for (const thing of sequence) columns[this.ranks[thing]].push(thing);
    let best = columns.map((column) => [...column]);
    let fewest = this.crossings(best);
    const place = new Float64Array(size);
    for (const column of columns) column.forEach((thing, position) => { place[thing] = position; });
    const key = new Float64Array(size);
    const flips = size <= EXCHANGED; // things of equal standing take turns
    const sweeps = size > LARGE ? 2 : size > LARGE / 8 ? 8 : ORDER_SWEEPS;
    let last = 0; // the sweep that found the best
    for (let sweep = 0; sweep < sweeps && fewest && sweep - last <= PATIENCE; sweep += 1) {
      const forward = sweep % 2 === 0;
      const [rows, ends, step] = forward ? [this.before, this.from, 0] : [this.after, this.to, 0.4];
      for (let number = 0; number < columns.length; number += 1) {
        const column = columns[forward ? number : columns.length - 1 - number];
        for (const thing of column) {
          const start = rows.start[thing];
          const stop = rows.start[thing + 1];
          let total = 0;
          for (let at = start; at < stop; at += 1) {
            const segment = rows.items[at];
            total += place[ends[segment]] + step * Math.max(-1, Math.min(1, this.port[segment]));
          }
          key[thing] = stop > start ? total / (stop - start) : place[thing];
        }
        if (flips && sweep % 4 > 1) column.reverse();
        column.sort((one, other) => key[one] - key[other]);
        column.forEach((thing, position) => { place[thing] = position; });
      }
      if (size <= EXCHANGED) this.exchange(columns, place);
      if (size > LARGE && !sweep) continue; // counting takes as long as sweeping
      const crossings = this.crossings(columns);
      if (crossings < fewest) { best = columns.map((column) => [...column]); fewest = crossings; last = sweep; }
    }
    this.columns = best;
    this.fewest = fewest;
  }

  /** Swap neighbours in a rank as long as that takes crossings away. */
  exchange(columns, place) {
    const gain = (rows, ends, one, other) => { // crossings of their wires now, less those when swapped
      let more = 0;
      for (let at = rows.start[one]; at < rows.start[one + 1]; at += 1) {
        const near = place[ends[rows.items[at]]];
        for (let to = rows.start[other]; to < rows.start[other + 1]; to += 1) more += Math.sign(near - place[ends[rows.items[to]]]);
      }
      return more;
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      let swapped = false;
      for (const column of columns) {
        for (let position = 0; position + 1 < column.length; position += 1) {
          const [one, other] = [column[position], column[position + 1]];
          if (gain(this.before, this.from, one, other) + gain(this.after, this.to, one, other) <= 0) continue;
          column[position] = other;
          column[position + 1] = one;
          place[one] = position + 1;
          place[other] = position;
          swapped = true;
        }
      }
      if (!swapped) return;
    }
  }

  /** The order in which the expression reads, operands before their gate: it draws any tree without a crossing. */
  reading() {
    const size = this.ranks.length;
    const order = new Int32Array(size).fill(-1);
    const entered = new Uint8Array(size);
    const next = this.before.start.slice(0, size);
    const stack = [];
    let turn = 0;
    for (let sink = 0; sink < size; sink += 1) {
      if (this.after.count(sink)) continue;
      stack.push(sink);
      entered[sink] = 1;
      while (stack.length) {
        const thing = stack[stack.length - 1];
        if (next[thing] < this.before.start[thing + 1]) {
          const source = this.from[this.before.items[next[thing]]];
          next[thing] += 1;
          if (!entered[source]) { entered[source] = 1; stack.push(source); }
        } else {
          order[thing] = turn;
          turn += 1;
          stack.pop();
        }
      }
    }
    return order;
  }

  /** How many pairs of segments cross, and again how many of them do so whatever the ports. */
  crossings(columns) { return this.inversions(columns, 1) + (this.ranks.length > LARGE ? 0 : 2 * this.inversions(columns, 0)); }

  /** Pairs of segments in another order at their ends than at their starts, counted in a Fenwick tree. */
  inversions(columns, ported) {
    const place = new Float64Array(this.ranks.length);
    for (const column of columns) column.forEach((thing, position) => { place[thing] = position; });
    let total = 0;
    for (let number = 0; number + 1 < columns.length; number += 1) {
      const size = columns[number + 1].length * 3;
      const tree = new Int32Array(size + 1);
      let seen = 0;
      for (const thing of columns[number]) {
        const start = this.after.start[thing];
        const stop = this.after.start[thing + 1];
        const end = (at) => place[this.to[this.after.items[at]]] * 3 + 2 + ported * Math.sign(this.port[this.after.items[at]]);
        for (let out = start; out < stop; out += 1) {
          let below = 0;
          for (let at = end(out); at > 0; at -= at & -at) below += tree[at];
          total += seen - below;
        }
        for (let out = start; out < stop; out += 1) for (let at = end(out); at <= size; at += at & -at) tree[at] += 1;
        seen += stop - start;
      }
    }
    return total;
  }

  // --- heights: near to what the neighbours want, as far as the crowding allows -----------------------------------------

  /**
   * The middle of each thing and waypoint in pixels, the topmost edge at 0. `heights` are those of the things, `outletAt`
   * how far below its owner's middle an outlet stands, `arriveAt` how far below its target's middle a wire wants to arrive.
   * When it is asked again with other heights, what had the first ones makes room and does nothing else.
   */
  heights(heights, outletAt, arriveAt) {
    const { columns } = this;
    const size = this.ranks.length;
    this.wire ??= heights.every((height) => height === ROW) ? ROW : WIRE;
    const high = new Float64Array(size).fill(this.wire);
    high.set(heights);
    if (!this.base) {
      const known = this.twin?.base;
      const isSame = known && areEqual(known.high, high) && areEqual(known.outletAt, outletAt) && areEqual(known.arriveAt, arriveAt);
      this.base = isSame ? known : { y: this.settle(high, outletAt, arriveAt), high, outletAt, arriveAt };
    }
    const { y: rest, high: usual } = this.base;
    const y = rest.slice();
    for (const column of columns) {
      if (column.every((thing) => high[thing] === usual[thing])) continue;
      const weights = Float64Array.from(column, (thing) => (high[thing] === usual[thing] ? 1 : 1e9));
      spread(column, Float64Array.from(column, (thing) => rest[thing]), weights, high, y);
    }
    let top = Infinity;
    let bottom = 0;
    for (let thing = 0; thing < size; thing += 1) top = Math.min(top, y[thing] - high[thing] / 2);
    for (let thing = 0; thing < size; thing += 1) { y[thing] -= top; bottom = Math.max(bottom, y[thing] + high[thing] / 2); }
    return { y, bottom };
  }

  settle(high, outletAt, arriveAt) {
    const { count, columns, before, after } = this;
    const size = this.ranks.length;
    const usual = high.every((height) => height === ROW);
    const y = new Float64Array(size);
    for (const column of columns) {
      let top = 0;
      for (const thing of column) { y[thing] = top + high[thing] / 2; top += high[thing]; }
    }
    const shift = new Float64Array(this.from.length);
    for (let segment = 0; segment < shift.length; segment += 1) {
      if (this.arrives[segment] >= 0) shift[segment] += arriveAt[this.arrives[segment]];
      if (this.leaves[segment] >= 0) shift[segment] -= outletAt[this.leaves[segment]];
    }
    const flips = size <= EXCHANGED; // things of equal standing take turns
    const sweeps = size > LARGE ? 2 : HEIGHT_SWEEPS;
    for (let sweep = 0; sweep < sweeps; sweep += 1) {
      const forward = sweep % 2 === 0;
      const [rows, ends, sign] = forward ? [before, this.from, -1] : [after, this.to, 1];
      for (let number = 0; number < columns.length; number += 1) {
        const column = columns[forward ? number : columns.length - 1 - number];
        const { wanted, weights } = roomFor(column.length + 1);
        column.forEach((thing, position) => {
          const start = rows.start[thing];
          const stop = rows.start[thing + 1];
          let total = 0;
          for (let at = start; at < stop; at += 1) total += y[ends[rows.items[at]]] + sign * shift[rows.items[at]];
          wanted[position] = stop > start ? total / (stop - start) : y[thing];
          weights[position] = stop === start ? 0.01 : thing >= count ? BEND_WEIGHT : 1;
        });
        spread(column, wanted, weights, high, y);
      }
    }
    const snap = () => { if (usual) for (let thing = 0; thing < size; thing += 1) y[thing] = Math.floor((2 * y[thing]) / ROW + 0.5) * (ROW / 2); };
    snap();
    for (const column of columns) { // small bends are taken out of single-file wires
      const { wanted, weights } = roomFor(column.length + 1);
      column.forEach((thing, position) => {
        wanted[position] = y[thing];
        weights[position] = 4;
        if (before.count(thing) !== 1) return;
        const segment = before.items[before.start[thing]];
        const straight = y[this.from[segment]] - shift[segment];
        if (this.port[segment] || Math.abs(straight - y[thing]) > ROW) return;
        wanted[position] = straight;
        weights[position] = 1;
      });
      spread(column, wanted, weights, high, y);
    }
    snap();
    return y;
  }

  /** The waypoints of a wire, by number: none where it spans one rank or runs straight. */
  stops({ outlet, target }) {
    const span = this.things[target] - this.things[this.owner[outlet]];
    return span > 1 && this.trunk[outlet] >= 0 ? Array.from({ length: span - 1 }, (_, step) => this.trunk[outlet] + step) : [];
  }
}

const areEqual = (one, other) => one.length === other.length && one.every((number, place) => number === other[place]);

/** Arrays to work in, at least so long: a small drawing has thousands of columns to spread, and making arrays takes longer. */
let room = { size: 0 };
const roomFor = (size) => {
  if (room.size < size) {
    const long = 2 * size + 64;
    const numbers = () => new Float64Array(long);
    room = { size: long, means: numbers(), totals: numbers(), starts: new Int32Array(long), offset: numbers(), wanted: numbers(), weights: numbers() };
  }
  return room;
};

/** Set the heights nearest to the wanted ones, by weighted least squares, that keep order and room: isotonic regression. */
const spread = (column, wanted, weights, high, y) => {
  const size = column.length;
  const { means, totals, starts, offset } = roomFor(size + 1);
  offset[0] = 0;
  let pools = 0;
  for (let position = 0; position < size; position += 1) {
    if (position) offset[position] = offset[position - 1] + (high[column[position - 1]] + high[column[position]]) / 2;
    let mean = wanted[position] - offset[position];
    let total = weights[position];
    let start = position;
    while (pools && means[pools - 1] > mean) {
      pools -= 1;
      mean = (mean * total + means[pools] * totals[pools]) / (total + totals[pools]);
      total += totals[pools];
      start = starts[pools];
    }
    means[pools] = mean;
    totals[pools] = total;
    starts[pools] = start;
    pools += 1;
  }
  starts[pools] = size;
  for (let pool = 0; pool < pools; pool += 1) {
    for (let position = starts[pool]; position < starts[pool + 1]; position += 1) y[column[position]] = means[pool] + offset[position];
  }
};
