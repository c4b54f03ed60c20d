// Which nodes belong together, which of that is collapsed, and where everything stands. Each group is a level of its own,
// laid out once; a collapsed group is one thing in the level around it, an expanded one a box. To expand a group changes
// sizes alone: no other level's order, so that whatever was not touched stays as it was, moved at most to make room.
import { Layers, ROW } from "./layers.js";
import { gatesOf, shortened } from "./scene.js";
import { PORT_STEP, partText, roomOf, textWidth } from "./labels.js";

const MARGIN = 16;
const BOX = { left: 22, top: 24, right: 22, bottom: 12 };
const PORT = 16; // the height of a wire that enters or leaves a box
const ALIKE = 1000; // up to so many wires, it is seen whether two levels are alike
const DOTTED = 20000; // beyond so many wires, forks get no dots
const WHOLE = 250; // nodes up to which everything is shown at first
const FIRST = 30; // nodes and groups that are shown at first of a larger circuit, where groups allow
const BUNDLE = 8; // inputs of one argument, beyond which they are bundled

const LETTERS = { input: "i", constant: "c", elided: "c" };

export class Structure {
  /** `detail` says what groups there are: "groups" (calls, modules, loops), "lines" as well, or none: "gates". */
  constructor(scene, detail = "groups") {
    this.nodes = [...scene.nodes.values()];
    this.detail = detail;
    this.twins = new Map(); // by what their order depends on, the first layers of each kind
    this.plant(detail === "gates" ? [] : scene.groups.filter((row) => row.kind !== "line" || detail === "lines"), scene.groups);
    this.open(this.nodes.length <= WHOLE ? Infinity : FIRST);
  }

  // --- the tree of groups ------------------------------------------------------------------------------------------

  /** Groups with something in them that their surroundings have not; the whole is group 0. */
  plant(wanted, rows) {
    const { nodes } = this;
    const byIdentifier = new Map();
    const groups = [{ number: 0, parent: null, label: "", kind: "" }];
    const isWanted = new Set(wanted);
    for (const row of rows) {
      const parent = byIdentifier.get(row.parent) ?? groups[0];
      if (!isWanted.has(row)) { byIdentifier.set(row.identifier, parent); continue; }
      const group = { number: groups.length, parent, label: shortened(row.kind === "turn" ? `#${row.label}` : row.label || row.kind, 40), kind: row.kind, source: row.source };
      groups.push(group);
      byIdentifier.set(row.identifier, group);
    }
    const home = nodes.map((node) => byIdentifier.get(node.group) ?? groups[0]);
    const bundled = this.bundle(groups, home);
    const kept = new Uint8Array(groups.length);
    kept[0] = 1;
    const held = new Int32Array(groups.length); // gates and kept groups directly inside
    const weight = new Int32Array(groups.length); // a group weighs as much as three gates
    nodes.forEach((node, place) => { if (gatesOf(node)) { held[home[place].number] += 1; weight[home[place].number] += gatesOf(node); } });
    for (let number = groups.length - 1; number > 0; number -= 1) { // of three gates or fewer, or of one group alone: no group
      const { parent } = groups[number];
      kept[number] = weight[number] > 3 || bundled.has(groups[number]) ? 1 : 0;
      if (bundled.has(groups[number])) continue;
      held[parent.number] += kept[number] ? 1 : held[number];
      weight[parent.number] += kept[number] ? 3 : weight[number];
    }
    for (const group of groups) { // all that its surroundings hold: no group
      if (kept[group.number] && group.parent && !bundled.has(group) && held[keptAround(group, kept).number] === 1) {
        kept[group.number] = 0;
        held[keptAround(group, kept).number] = held[group.number];
      }
    }
    this.groups = groups.filter((group) => kept[group.number]);
    for (const group of this.groups) if (group.parent) group.parent = keptAround(group, kept);
    const homes = home.map((group) => (kept[group.number] ? group : keptAround(group, kept)));
    this.groups.forEach((group, number) => Object.assign(group, { number, collapsed: number > 0, level: null, placed: null, isTold: false, items: [] }));
    this.home = homes;
    const entered = new Uint8Array(this.groups.length);
    entered[0] = 1;
    const enter = (group) => {
      for (let inner = group; !entered[inner.number]; inner = inner.parent) {
        entered[inner.number] = 1;
        inner.parent.items.push({ group: inner, node: null });
      }
    };
    nodes.forEach((node, place) => {
      enter(homes[place]);
      homes[place].items.push({ group: null, node, place });
      if (node.kind === "summary") homes[place].isTold = true; // what is in it is not all listed
    });
    // The nodes of a group, and of all groups inside it, stand one after another: [first, last).
    this.position = new Int32Array(nodes.length);
    this.sequence = new Int32Array(nodes.length);
    let next = 0;
    const stack = [[this.groups[0], 0]];
    this.groups[0].first = 0;
    while (stack.length) {
      const top = stack[stack.length - 1];
      const item = top[0].items[top[1]];
      top[1] += 1;
      if (!item) { top[0].last = next; stack.pop(); } else if (item.group) { item.group.first = next; stack.push([item.group, 0]); } else {
        this.position[item.place] = next;
        this.sequence[next] = item.place;
        next += 1;
      }
    }
  }

  /** Inputs that come from one argument, `params[0][2]` and its like, as a group; their wires run as one: `sends` says which speaks for all. */
  bundle(groups, home) {
    const { nodes, detail } = this;
    this.sends = Int32Array.from(nodes.keys());
    const found = new Map();
    if (detail === "gates") return new Set();
    nodes.forEach((node, place) => {
      const prefix = node.kind === "input" && home[place] === groups[0] ? node.name.match(/^([^[.]+)[[.]/) : null;
      if (prefix) found.set(prefix[1], [...(found.get(prefix[1]) ?? []), place]);
    });
    const made = new Set();
    for (const [label, places] of found) {
      if (places.length <= BUNDLE) continue;
      const group = { number: groups.length, parent: groups[0], label, kind: "argument", source: null };
      groups.push(group);
      made.add(group);
      for (const place of places) { home[place] = group; this.sends[place] = places[0]; }
    }
    return made;
  }

  /** Expand from the outside in, the largest first, while no more than so many things are shown; what is alike together. */
  open(most) {
    let shown = this.groups[0].items.length;
    const waiting = []; // groups beside each other of one kind and name, or the turns of a loop
    const wait = (items) => {
      const alike = new Map();
      for (const { group } of items) {
        if (!group || group.kind === "argument") continue;
        const key = group.kind === "turn" ? "turn" : `${group.kind} ${group.label}`;
        if (!alike.has(key)) alike.set(key, { groups: [], size: 0, more: 0 });
        const found = alike.get(key);
        found.groups.push(group);
        found.size = Math.max(found.size, group.last - group.first);
        found.more += group.items.length - 1;
      }
      waiting.push(...alike.values());
    };
    wait(this.groups[0].items);
    while (waiting.length) {
      waiting.sort((one, other) => other.size - one.size);
      const fits = waiting.findIndex(({ more }) => shown + more <= most);
      if (fits < 0) return;
      const [{ groups, more }] = waiting.splice(fits, 1);
      shown += more;
      for (const group of groups) {
        group.collapsed = false;
        wait(group.items);
      }
    }
  }

  toggle(group) {
    group.collapsed = !group.collapsed;
    for (let around = group; around; around = around.parent) around.placed = null;
  }

  /** Expand whatever hides a node; true where something did. */
  uncover(node) {
    let covered = false;
    for (let group = this.home[node.place]; group; group = group.parent) if (group.collapsed) { this.toggle(group); covered = true; }
    return covered;
  }

  /** The groups around a node, from the innermost out. */
  around(node) {
    const found = [];
    for (let group = this.home[node.place]; group.parent; group = group.parent) found.push(group);
    return found;
  }

  /** How many gates a group has in it. */
  gatesIn(group) {
    group.gates ??= this.sequence.subarray(group.first, group.last).reduce((count, place) => count + gatesOf(this.nodes[place]), 0);
    return group.gates;
  }

  // --- the order of one level, made when it is first looked into ------------------------------------------------------

  level(group) {
    if (group.level) return group.level;
    const { position, sequence, nodes } = this;
    const within = (place) => position[place] >= group.first && position[place] < group.last;
    const entering = [];
    const leaving = [];
    const itemAt = new Int32Array(group.last - group.first);
    group.items.forEach((item, order) => {
      if (item.group) itemAt.fill(order, item.group.first - group.first, item.group.last - group.first);
      else itemAt[position[item.place] - group.first] = order;
    });
    if (group.parent) {
      const seen = new Set();
      for (let at = group.first; at < group.last; at += 1) {
        const node = nodes[sequence[at]];
        for (const { source } of node.incoming) {
          const sender = this.sends[source.place];
          if (!within(source.place) && !seen.has(sender)) { seen.add(sender); entering.push(sender); }
        }
        const sender = this.sends[node.place];
        if (!seen.has(sender) && node.outgoing.some((edge) => !within(edge.target.place))) { seen.add(sender); leaving.push(sender); }
      }
    }
    const before = entering.length;
    const count = before + group.items.length;
    const kinds = [...entering.map(() => "<"), ...group.items.map((item) => (item.group ? (item.group.kind === "argument" ? "i" : "g") : LETTERS[item.node.kind] ?? "g")), ...leaving.map(() => ">")];
    const owner = [];
    const carries = []; // the node whose value an outlet carries
    const outlets = new Map();
    const outletOf = (source, thing) => { // inside a bundle each input has a way of its own to the common door
      const key = group.kind === "argument" ? thing : this.sends[source];
      if (!outlets.has(key)) { outlets.set(key, owner.length); owner.push(thing); carries.push(group.kind === "argument" ? source : key); }
      return outlets.get(key);
    };
    const doors = new Map(leaving.map((source, place) => [source, count + place]));
    const doorOf = new Map(entering.map((source, place) => [source, place]));
    const wires = [];
    const merged = new Map();
    const join = (edge, source, from, to, node) => {
      const outlet = outletOf(source, from);
      if (node) {
        wires.push({ outlet, target: to, port: edge.port, edge, edges: null, node });
        return;
      }
      const key = outlet * (count + leaving.length) + to;
      if (merged.has(key)) { merged.get(key).edges.push(edge); return; }
      const wire = { outlet, target: to, port: 0, edge, edges: [edge], node: null };
      merged.set(key, wire);
      wires.push(wire);
    };
    for (let at = group.first; at < group.last; at += 1) {
      const item = itemAt[at - group.first];
      const { node } = group.items[item];
      for (const edge of nodes[sequence[at]].incoming) {
        const source = edge.source.place;
        const from = within(source) ? itemAt[position[source] - group.first] : -1;
        if (from === item) continue; // most wires of a large part run inside one of its things
        join(edge, source, from < 0 ? doorOf.get(this.sends[source]) : before + from, before + item, node);
      }
    }
    for (let at = group.first; leaving.length && at < group.last; at += 1) {
      const source = sequence[at];
      for (const edge of nodes[source].outgoing) if (!within(edge.target.place)) join(edge, source, before + itemAt[at - group.first], doors.get(this.sends[source]), null);
    }
    const layers = this.layersOf(kinds, owner, wires);
    group.level = { layers, before, entering, leaving, carries };
    return group.level;
  }

  /** The layers of a level; of those that are alike, as turns of a loop are, the order is found once. */
  layersOf(kinds, owner, wires) {
    const key = wires.length > ALIKE ? null : `${kinds.join("")} ${owner} ${wires.map(({ outlet, target, port }) => `${outlet}>${target}+${port}`)}`;
    const layers = new Layers(kinds, owner, wires, this.twins.get(key));
    if (key && !layers.twin) this.twins.set(key, layers);
    return layers;
  }

  // --- the places of one level, for the sizes that its groups have now ------------------------------------------------

  place(group) {
    if (group.placed) return group.placed;
    const { layers, before, entering, leaving, carries } = this.level(group);
    const { items } = group;
    const total = layers.count;
    const rooms = new Array(total);
    const heights = new Float64Array(total).fill(PORT);
    items.forEach((item, order) => {
      const thing = before + order;
      const folded = item.group ? Math.max(textWidth(item.group.label), textWidth(`${this.gatesIn(item.group)} gates +`)) + 28 : 0;
      if (item.group && !item.group.collapsed) {
        const { width, height, enters, leaves } = this.place(item.group);
        rooms[thing] = { width, height, label: 0, box: true, folded, enters, leaves };
        heights[thing] = height + 22;
      } else if (item.group) {
        rooms[thing] = { width: folded, height: 46, label: 0, box: false };
        heights[thing] = ROW;
        item.group.carried = this.carriedOut(item.group);
        if (item.group.carried) rooms[thing].label = roomOf(item.group.carried).label;
      } else {
        rooms[thing] = roomOf(item.node);
        const { above, below } = rooms[thing];
        heights[thing] = above + below ? Math.max(ROW, 2 * Math.max(above, below) + 56) : ROW;
      }
    });
    const outletAt = new Float64Array(layers.owner.length);
    carries.forEach((source, outlet) => {
      const room = rooms[layers.owner[outlet]];
      if (room && room.box) outletAt[outlet] = room.leaves.get(source) - room.height / 2;
    });
    const arriveAt = Float64Array.from(layers.wires, (wire) => {
      const room = rooms[wire.target];
      if (room && room.box) return room.enters.get(carries[wire.outlet]) - room.height / 2;
      return wire.port * ROW;
    });
    const { y, bottom } = layers.heights(heights, outletAt, arriveAt);
    // Columns, from left to right: parts that arrive at forks, shapes, labels, then room for curves.
    const columns = layers.columns.length;
    const shape = new Float64Array(columns);
    const label = new Float64Array(columns);
    const boxed = new Float64Array(columns);
    const parts = new Float64Array(columns);
    rooms.forEach((room, thing) => {
      const rank = layers.ranks[thing];
      if (room.box) { boxed[rank] = Math.max(boxed[rank], room.width); shape[rank] = Math.max(shape[rank], room.folded); } else { shape[rank] = Math.max(shape[rank], room.width); label[rank] = Math.max(label[rank], room.label); }
    });
    const said = layers.wires.map((wire) => (wire.node && wire.node.kind !== "summary" ? partText(wire.edge) : ""));
    said.forEach((text, wire) => { const rank = layers.ranks[layers.wires[wire].target]; if (text) parts[rank] = Math.max(parts[rank], text.length * 6.6 + 8); });
    const curve = this.curvesOf(group.level, y);
    const left = new Float64Array(columns); // where wires arrive
    const right = new Float64Array(columns); // and from where they leave
    let x = group.parent ? BOX.left - 22 : MARGIN;
    for (let rank = 0; rank < columns; rank += 1) {
      left[rank] = x;
      right[rank] = x + parts[rank] + Math.max(shape[rank] + label[rank], boxed[rank]);
      x = right[rank] + (rank + 1 < columns ? curve[rank] : 0);
    }
    const top = group.parent ? BOX.top : MARGIN;
    const width = x + (group.parent ? 0 : MARGIN);
    const height = bottom + top + (group.parent ? BOX.bottom : MARGIN);
    const middle = (thing) => left[layers.ranks[thing]] + parts[layers.ranks[thing]] + shape[layers.ranks[thing]] / 2;
    group.placed = {
      width, height, left, right, parts, shape, middle, rooms, said, outletAt, y: y.map((at) => at + top),
      enters: new Map(entering.map((source, place) => [source, y[place] + top])),
      leaves: new Map(leaving.map((source, place) => [source, y[before + items.length + place] + top])),
    };
    return group.placed;
  }

  /** The room for curves after each column, from the heights that things have at first: it does not change afterwards. */
  curvesOf(level, y) {
    const { layers } = level;
    if (level.curves) return level.curves;
    level.curves = new Float64Array(layers.columns.length).fill(24);
    for (let segment = 0; segment < layers.from.length; segment += 1) {
      const rank = layers.ranks[layers.from[segment]];
      level.curves[rank] = Math.max(level.curves[rank], Math.min(90, 24 + 0.22 * Math.abs(y[layers.from[segment]] - y[layers.to[segment]])));
    }
    return level.curves;
  }

  /** The one node whose value leaves a group; null where it is none, or several. */
  carriedOut(group) {
    if (group.carried !== undefined) return group.carried;
    const within = (place) => this.position[place] >= group.first && this.position[place] < group.last;
    const found = [];
    for (let at = group.first; at < group.last && found.length < 2; at += 1) {
      const node = this.nodes[this.sequence[at]];
      if (node.outgoing.some((edge) => !within(edge.target.place))) found.push(node);
    }
    return found.length === 1 ? found[0] : null;
  }

  // --- everything that is to be drawn -----------------------------------------------------------------------------------

  /**
   * `things`: a node, or a collapsed group, with the middle and size of its shape, where its label stands and, where it
   * leaves, `carried`, whose values the label tells. `boxes`: the expanded groups. `wires`: from a node (`source`) over
   * points, where every other stretch, the first among them, is level; `edge` is the scene's, or
   * `edges` are several of the scene's that it stands for.
   * `forks`: the dots where wires part.
   */
  picture() {
    const drawn = { things: [], boxes: [], wires: [], forks: [], width: 0, height: 0 };
    const stack = [[this.groups[0], 0, 0]];
    while (stack.length) {
      const [group, x, y] = stack.pop();
      const { layers, before, carries } = this.level(group);
      const placed = this.place(group);
      if (group.parent) drawn.boxes.push({ group, x, y, width: placed.width, height: placed.height });
      else Object.assign(drawn, { width: placed.width, height: placed.height });
      group.items.forEach((item, order) => {
        const thing = before + order;
        const room = placed.rooms[thing];
        const rank = layers.ranks[thing];
        if (room.box) {
          stack.push([item.group, x + placed.left[rank] + placed.parts[rank], y + placed.y[thing] - room.height / 2]);
          return;
        }
        drawn.things.push({
          node: item.node, group: item.group, carried: item.node ?? item.group.carried, x: x + placed.middle(thing), y: y + placed.y[thing],
          width: room.width, height: room.height,
          label: x + (placed.left[rank] + placed.parts[rank] + placed.shape[rank] + placed.right[rank]) / 2,
        });
      });
      const out = new Map(); // how many ways a wire goes on from a point
      const goOn = (thing, outlet, towards) => {
        const key = outlet < 0 ? -1 - thing : outlet;
        if (!out.has(key)) out.set(key, { thing, outlet, ways: new Set() });
        out.get(key).ways.add(towards);
      };
      const isSmall = layers.wires.length < DOTTED;
      const all = [...layers.wires, ...layers.against];
      for (let number = 0; number < all.length; number += 1) {
        const wire = all[number];
        const source = layers.owner[wire.outlet];
        const room = placed.rooms[source];
        const start = placed.y[source] + placed.outletAt[wire.outlet];
        const from = layers.ranks[source];
        const begin = !room ? placed.left[from] : room.box ? placed.left[from] + placed.parts[from] + room.width : placed.middle(source) + room.width / 2;
        const points = [x + begin, y + start, x + placed.right[from], y + start];
        const isForward = number < layers.wires.length;
        let last = source;
        if (isForward) {
          for (const stop of layers.stops(wire)) {
            if (isSmall) goOn(last, last === source ? wire.outlet : -1, stop);
            points.push(x + placed.left[layers.ranks[stop]], y + placed.y[stop], x + placed.right[layers.ranks[stop]], y + placed.y[stop]);
            last = stop;
          }
          if (isSmall) goOn(last, last === source ? wire.outlet : -1, -1 - number);
        }
        const rank = layers.ranks[wire.target];
        const [endX, endY] = this.arrival(wire, placed, layers, carries);
        points.push(x + placed.left[rank], y + endY, x + endX, y + endY);
        drawn.wires.push({
          source: this.nodes[carries[wire.outlet]], edge: wire.edge, edges: wire.edges, points, node: wire.node, text: isForward ? placed.said[number] : "",
          textX: x + placed.left[rank] + placed.parts[rank] / 2, textY: y + endY + 11,
        });
      }
      for (const { thing, outlet, ways } of out.values()) {
        if (ways.size > 1) drawn.forks.push([x + placed.right[layers.ranks[thing]], y + placed.y[thing] + (outlet < 0 ? 0 : placed.outletAt[outlet])]);
      }
    }
    return drawn;
  }

  /** Where a wire touches its target: first inputs on top, spread over the left side of the shape. */
  arrival(wire, placed, layers, carries) {
    const room = placed.rooms[wire.target];
    const rank = layers.ranks[wire.target];
    const y = placed.y[wire.target];
    if (!room) return [placed.right[rank], y];
    if (room.box) return [placed.left[rank] + placed.parts[rank], y - room.height / 2 + room.enters.get(carries[wire.outlet])];
    const x = placed.middle(wire.target) - room.width / 2;
    if (!wire.node) return [x, y];
    const { node } = wire;
    const offset = wire.port * Math.min(PORT_STEP, (0.8 * room.height) / Math.max(1, node.incoming.length - 1));
    const half = room.height / 2;
    return [x + (node.kind === "gate" ? half - Math.sqrt(half * half - offset * offset) : 0), y + offset];
  }
}

const keptAround = (group, kept) => {
  let around = group.parent;
  while (!kept[around.number]) around = around.parent;
  return around;
};
