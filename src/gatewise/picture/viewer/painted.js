// A large circuit on canvases: WebGL draws all of it while it is small on the screen, and a plain canvas what is near
// enough to be read. Where there is no WebGL, the plain canvas draws a part of the far view, too.
import { isAlarming } from "./numbers.js";
import { CELL, RADIUS, namesResult, textOf, thumbnailSize } from "./labels.js";
import { element, heat } from "./panel.js";
import { NEVER } from "./stepper.js";

const READABLE = 0.45; // pixels of the screen per pixel of the drawing, from where on texts are drawn
const DETAILED = 3000; // and no more than so many things
const PLAIN = 20000; // wires that the plain canvas draws of a far view
const SLOW = 50; // milliseconds between frames, from where on fewer wires are drawn while the view moves
const REST = 250; // and after which it counts as resting

// Positions tell the state: a wire is faint until its value is there, and has the colour of gradients once one came back.
const VERTEX = `
attribute vec2 at; attribute vec3 known; uniform vec4 view; uniform float position, size, ratio; uniform vec3 wire, gradient, alarm, value; uniform float isWire;
varying vec4 colour;
void main() {
  gl_Position = vec4((at - view.xy) / view.zw * 2.0 - 1.0, 0.0, 1.0) * vec4(1.0, -1.0, 1.0, 1.0);
  gl_PointSize = max(size, 2.0) * ratio;
  bool here = known.x < position; bool back = known.y < position;
  vec3 plain = isWire > 0.5 ? wire : value;
  vec3 shown = known.z > 0.5 && here ? alarm : back ? gradient : plain;
  float strength = here ? (isWire > 0.5 ? 0.55 : 1.0) : 0.25;
  colour = vec4(shown * strength, strength);
}`;
const FRAGMENT = "precision mediump float; varying vec4 colour; void main() { gl_FragColor = colour; }";

const compiled = (gl) => {
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  return program;
};

const rgb = (text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255);

export class PaintedCircuit {
  constructor(view, on, nameOf) {
    Object.assign(this, { view, nameOf, chosen: null, playhead: null, frame: null, asked: 0, frameTime: 0, share: 1, last: 0, resting: 0 });
    this.far = element("canvas", "far");
    this.near = element("canvas", "near");
    this.near.tabIndex = 0;
    this.near.setAttribute("role", "application");
    this.near.setAttribute("aria-label", nameOf(null));
    view.append(this.far, this.near);
    this.gl = this.far.getContext("webgl", { antialias: false, premultipliedAlpha: true });
    this.pen = this.near.getContext("2d");
    if (this.gl) this.prepare();
    this.far.addEventListener("webglcontextlost", (event) => { event.preventDefault(); this.gl = null; this.draw(); });
    this.far.addEventListener("webglcontextrestored", () => {
      this.gl = this.far.getContext("webgl");
      this.prepare();
      this.load();
      this.learn(this.stepper);
      this.draw();
    });
    const at = (event) => this.thingAt(event);
    this.near.addEventListener("pointermove", (event) => { if (event.buttons) return; const thing = at(event); if (thing) on.hover(thing); });
    this.near.addEventListener("click", (event) => { const thing = at(event); if (thing) on.choose(thing); });
    this.near.addEventListener("dblclick", (event) => { const thing = at(event); if (thing && thing.group) { event.stopPropagation(); on.open(thing); } });
    this.isPainted = true;
  }

  /** The program and the room of a WebGL context, which may be a new one. */
  prepare() {
    const { gl } = this;
    this.program = compiled(gl);
    this.buffers = Object.fromEntries(["lines", "lineKnown", "dots", "dotKnown"].map((name) => [name, gl.createBuffer()]));
  }

  /** Draw this from now on. */
  show(picture) {
    this.picture = picture;
    this.extents = new Float64Array(picture.wires.length * 4);
    picture.wires.forEach(({ points }, place) => {
      let [low, high] = [Infinity, -Infinity];
      for (let at = 1; at < points.length; at += 2) { low = Math.min(low, points[at]); high = Math.max(high, points[at]); }
      this.extents.set([points[0], low, points[points.length - 2], high], place * 4);
    });
    if (this.gl) this.load();
  }

  /** The wires' stretches and the things, once, into the graphics card's memory. */
  load() {
    const { picture } = this;
    let count = 0;
    for (const { points } of picture.wires) count += points.length - 2;
    this.lines = new Float32Array(count * 2);
    let next = 0;
    // In an order that spreads, so that the first of them are a fair sample of all.
    const stride = 7919;
    const total = picture.wires.length;
    const isSpread = total % stride !== 0;
    this.order = Int32Array.from({ length: total }, (_, turn) => (isSpread ? (turn * stride) % total : turn));
    for (const place of this.order) {
      const { points } = picture.wires[place];
      for (let at = 0; at + 3 < points.length; at += 2) for (let part = 0; part < 4; part += 1) this.lines[next++] = points[at + part];
    }
    this.dots = new Float32Array(picture.things.length * 2);
    picture.things.forEach((thing, place) => this.dots.set([thing.x, thing.y], place * 2));
    this.fill("lines", this.lines);
    this.fill("dots", this.dots);
  }

  fill(name, data) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
  }

  /** From which position on each wire and thing has its value, its gradient, and whether something is wrong with it. */
  learn(stepper) {
    const { gl, picture } = this;
    this.stepper = stepper;
    if (!gl) return;
    const known = new Float32Array((this.lines.length / 2) * 3);
    let next = 0;
    const wrong = (quantity) => quantity && isAlarming(quantity);
    const dot = new Float32Array(picture.things.length * 3);
    for (const place of this.order) {
      const { source, edge, edges, points } = picture.wires[place];
      const here = stepper.forward[source.place];
      let back = NEVER;
      for (const one of edges ?? [edge]) if (one.gradient) back = Math.min(back, stepper.backward[one.target.place]);
      const alarm = wrong(source.value) || wrong(edge.gradient) ? 1 : 0;
      for (let vertex = 0; vertex < points.length - 2; vertex += 1) { known[next] = here; known[next + 1] = back; known[next + 2] = alarm; next += 3; }
    }
    picture.things.forEach(({ carried }, place) => {
      if (!carried) { dot.set([-1, NEVER, 0], place * 3); return; }
      let back = -1;
      const arrives = (step) => { if (step !== NEVER) back = Math.max(back, step); };
      arrives(stepper.seed[carried.place]);
      for (const edge of carried.outgoing) if (edge.gradient) arrives(stepper.backward[edge.target.place]);
      dot.set([stepper.forward[carried.place], carried.gradient && back >= 0 ? back : NEVER, wrong(carried.value) || wrong(carried.gradient) ? 1 : 0], place * 3);
    });
    this.fill("lineKnown", known);
    this.fill("dotKnown", dot);
  }

  look(frame) { this.frame = frame; this.draw(); }

  update(stepper, nodes) { if (!nodes || this.stepper !== stepper) this.learn(stepper); this.draw(); }

  mark(chosen, playhead) { this.chosen = chosen; this.playhead = playhead; this.draw(); }

  focus() { this.near.focus(); }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => { this.asked = 0; this.pace(); this.paint(); });
  }

  /** Without a graphics card, a moving view is drawn with as many wires as keep it moving, a resting one with all. */
  pace() {
    const now = performance.now();
    const since = now - this.last;
    this.last = now;
    clearTimeout(this.resting);
    if (since < 4 * REST && since > SLOW) this.share = Math.max(1 / 256, this.share / 2);
    else if (since < SLOW / 2) this.share = Math.min(1, this.share * 1.5);
    const full = () => { const { share } = this; this.share = 1; this.paint(); this.share = share; this.last = 0; };
    if (this.share < 1) this.resting = setTimeout(full, REST);
  }

  thingAt(event) {
    const { left, top, scale } = this.frame;
    const around = this.near.getBoundingClientRect();
    const x = left + (event.clientX - around.left) / scale;
    const y = top + (event.clientY - around.top) / scale;
    const slack = 5 / scale;
    let best = null;
    let nearest = Infinity;
    for (const thing of this.picture.things) {
      const away = Math.max(Math.abs(thing.x - x) - thing.width / 2, Math.abs(thing.y - y) - thing.height / 2, 0);
      if (away < nearest && away <= slack) { nearest = away; best = thing; }
    }
    if (best || scale < READABLE) return best;
    const caption = this.picture.boxes.find((box) => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + 24);
    return caption ? { node: null, group: caption.group } : null;
  }

  paint() {
    const begun = performance.now();
    const { view, picture, pen, frame } = this;
    const { width, height, scale, left, top } = frame;
    const ratio = globalThis.devicePixelRatio || 1;
    for (const canvas of [this.far, this.near]) {
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
    }
    const style = getComputedStyle(view);
    this.colours = Object.fromEntries(["value", "gradient", "faint", "accent", "shape", "stroke", "ink", "paper", "box"].map((name) => [name, style.getPropertyValue(`--${name}`).trim() || "#868e96"]));
    const [right, bottom] = [left + width / scale, top + height / scale];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(ratio * scale, 0, 0, ratio * scale, -left * ratio * scale, -top * ratio * scale);
    let visible = 0;
    const seen = scale >= READABLE ? picture.things.filter((thing) => thing.x + thing.width + 200 > left && thing.x - thing.width < right
      && thing.y + 100 > top && thing.y - 100 < bottom && (visible += 1) <= DETAILED) : [];
    const isNear = scale >= READABLE && visible <= DETAILED;
    this.paintBoxes(frame, right, bottom);
    if (this.gl) this.paintFar(frame, ratio, isNear);
    if (isNear || !this.gl) this.paintWires(left, top, right, bottom, isNear);
    if (isNear) for (const thing of seen) this.paintThing(thing);
    else if (!this.gl) this.paintDots(left, top, right, bottom, scale);
    for (const [what, wide] of [[this.chosen, 3.5], [this.playhead, 3.5]]) {
      const thing = what && picture.things.find((other) => other.node === what || other.group === what);
      if (!thing) continue;
      pen.strokeStyle = this.colours.accent;
      pen.lineWidth = Math.max(wide, 2.5 / scale);
      const grown = Math.max(0, 7 / scale - thing.height / 2);
      pen.strokeRect(thing.x - thing.width / 2 - grown, thing.y - thing.height / 2 - grown, thing.width + 2 * grown, thing.height + 2 * grown);
    }
    this.frameTime = performance.now() - begun;
  }

  paintBoxes({ scale, left, top }, right, bottom) {
    const { pen, picture, colours } = this;
    pen.lineWidth = 1 / scale;
    pen.font = '12px "DejaVu Sans Mono", Menlo, Consolas, monospace';
    pen.textAlign = "left";
    for (const { group, x, y, width, height } of picture.boxes) {
      if (x > right || y > bottom || x + width < left || y + height < top || width * scale < 3) continue;
      pen.fillStyle = colours.box;
      pen.fillRect(x, y, width, height);
      pen.strokeStyle = colours.faint;
      pen.strokeRect(x, y, width, height);
      pen.fillStyle = colours.faint;
      if (scale >= READABLE) pen.fillText(group.label, x + 10, y + 16);
    }
  }

  paintFar({ width, height, scale, left, top }, ratio, isNear) {
    const { gl, program, colours } = this;
    gl.viewport(0, 0, this.far.width, this.far.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (isNear) return;
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const uniform = (name) => gl.getUniformLocation(program, name);
    gl.uniform4f(uniform("view"), left, top, width / scale, height / scale);
    gl.uniform1f(uniform("position"), this.stepper.position);
    gl.uniform1f(uniform("ratio"), ratio);
    for (const [name, colour] of [["wire", colours.faint], ["gradient", colours.gradient], ["value", colours.value], ["alarm", colours.accent]]) gl.uniform3f(uniform(name), ...rgb(colour));
    for (const [isWire, where, known, count, shape] of [[1, "lines", "lineKnown", this.lines.length / 2, gl.LINES], [0, "dots", "dotKnown", this.dots.length / 2, gl.POINTS]]) {
      gl.uniform1f(uniform("isWire"), isWire);
      gl.uniform1f(uniform("size"), Math.min(2 * RADIUS * scale, 40));
      for (const [name, buffer, size] of [["at", where, 2], ["known", known, 3]]) {
        const place = gl.getAttribLocation(program, name);
        gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[buffer]);
        gl.enableVertexAttribArray(place);
        gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
      }
      gl.drawArrays(shape, 0, isWire ? 2 * Math.ceil((count * this.share) / 2) : count);
    }
  }

  paintWires(left, top, right, bottom, isNear) {
    const { pen, picture, extents, colours, stepper } = this;
    const ways = { faint: new Path2D(), plain: new Path2D(), returned: new Path2D(), chosen: new Path2D() };
    const seen = [];
    for (let place = 0; place < picture.wires.length; place += 1) {
      const at = place * 4;
      if (extents[at] < right && extents[at + 2] > left && extents[at + 1] < bottom && extents[at + 3] > top) seen.push(place);
    }
    const stride = Math.max(1, Math.ceil(seen.length / PLAIN)); // of too many, one in so many
    for (let turn = 0; turn < seen.length; turn += stride) {
      const wire = picture.wires[seen[turn]];
      const { points, source } = wire;
      const isChosen = this.chosen && (source === this.chosen || wire.edge.target === this.chosen);
      const back = stepper.position < stepper.length && (wire.edges ?? [wire.edge]).some((edge) => edge.gradient && stepper.hasStepped(edge.target));
      const way = ways[isChosen ? "chosen" : !stepper.hasValue(source) ? "faint" : back ? "returned" : "plain"];
      way.moveTo(points[0], points[1]);
      for (let at = 2; at < points.length; at += 2) {
        const bend = (points[at] - points[at - 2]) / 2;
        if (!isNear || at % 4 === 2 || points[at + 1] === points[at - 1]) way.lineTo(points[at], points[at + 1]);
        else way.bezierCurveTo(points[at - 2] + bend, points[at - 1], points[at] - bend, points[at + 1], points[at], points[at + 1]);
      }
      if (!isNear || !wire.text || !back && stepper.position < stepper.length) continue;
      pen.fillStyle = colours.gradient;
      pen.font = '11px "DejaVu Sans Mono", Menlo, Consolas, monospace';
      pen.textAlign = "center";
      pen.fillText(textOf(wire.edge.gradient, true), wire.textX, wire.textY);
    }
    const { scale } = this.frame;
    for (const [kind, colour, wide] of [["faint", colours.faint, 1.6], ["plain", colours.faint, 1.6], ["returned", colours.gradient, 1.6], ["chosen", colours.accent, 3]]) {
      pen.globalAlpha = kind === "faint" ? 0.3 : 1;
      pen.strokeStyle = colour;
      pen.lineWidth = isNear ? wide : 1 / scale;
      pen.stroke(ways[kind]);
    }
    pen.globalAlpha = 1;
  }

  paintDots(left, top, right, bottom, scale) {
    const { pen, picture, colours, stepper } = this;
    const size = Math.max(2 / scale, 2 * RADIUS);
    for (const kind of [false, true]) {
      pen.fillStyle = kind ? colours.gradient : colours.value;
      for (const { carried, x, y } of picture.things) {
        if (x < left || x > right || y < top || y > bottom || (carried && !stepper.hasValue(carried))) continue;
        if (Boolean(carried && carried.gradient && stepper.arrived(carried).complete) === kind) pen.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
  }

  paintThing({ node, group, carried, x, y, width, height, label }) {
    const { pen, colours, stepper } = this;
    const mono = '"DejaVu Sans Mono", Menlo, Consolas, monospace';
    pen.fillStyle = colours.shape;
    pen.strokeStyle = colours.stroke;
    pen.lineWidth = 1.6;
    pen.beginPath();
    pen.roundRect(x - width / 2, y - height / 2, width, height, node && node.kind === "gate" ? RADIUS : 6);
    pen.fill();
    if ((node && node.kind === "summary") || (group && group.isTold)) pen.setLineDash([4, 3]);
    if (!node || node.kind !== "output") pen.stroke();
    pen.setLineDash([]);
    pen.textAlign = "center";
    const write = (text, place, kind, font) => { pen.fillStyle = kind; pen.font = font; pen.fillText(text, place[0], place[1]); };
    if (node) write(node.label, [x, y + 5], colours.ink, `${node.kind === "gate" ? "bold 15px" : "13px"} ${mono}`);
    else {
      write(group.label, [x, y - 2], colours.ink, `13px ${mono}`);
      write(`${group.isTold ? "…" : "⊞"} ${this.nameOf({ group }, true)}`, [x, y + 15], colours.faint, `italic 12px ${mono}`);
    }
    if (node && node.kind === "gate" && node.name && !namesResult(node)) write(node.name, [x, y + RADIUS + 14], colours.faint, `italic 12px ${mono}`);
    if (!carried || !carried.outgoing.length) return;
    const bold = (quantity) => `${isAlarming(quantity) ? "bold " : ""}13px ${mono}`;
    if (carried.value && stepper.hasValue(carried)) {
      write(textOf(carried.value, false), [label, y - 6], colours.value, bold(carried.value));
      this.paintThumbnail(carried.value, label, y - 20 - thumbnailSize(carried.value)[1], colours.value);
    }
    const { parts, complete } = stepper.arrived(carried);
    if (carried.gradient && (parts.length || (complete && stepper.position === stepper.length))) {
      write(stepper.textOfGradient(carried, parts, complete), [label, y + 16], colours.gradient, bold(carried.gradient));
      this.paintThumbnail(carried.gradient, label, y + 22, colours.gradient);
    }
  }

  paintThumbnail(quantity, x, y, colour) {
    const { pen } = this;
    const [width, height] = thumbnailSize(quantity);
    if (!width) return;
    const tall = (height - 4) / quantity.cells.length;
    const largest = Math.max(0, ...quantity.cells.flat().filter(Number.isFinite).map(Math.abs));
    quantity.cells.forEach((row, number) => row.forEach((cell, column) => {
      pen.fillStyle = heat(cell, largest);
      pen.fillRect(x - width / 2 + column * CELL, y + 2 + number * tall, CELL, tall);
    }));
    pen.strokeStyle = colour;
    pen.strokeRect(x - width / 2, y + 2, width, height - 4);
  }

  destroy() {
    cancelAnimationFrame(this.asked);
    clearTimeout(this.resting);
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
    this.far.remove();
    this.near.remove();
  }
}
