// What is drawn of a circuit, and how one moves over it: pan, zoom, fit, the minimap; SVG or canvas by its size.
import { DrawnCircuit } from "./drawn.js";
import { PaintedCircuit } from "./painted.js";
import { element } from "./panel.js";

const DRAWN = 1500; // things, and twice as many wires, that are drawn as SVG
const MAP = [180, 110];

export class Drawing {
  constructor(view, structure, stepper, on, nameOf) {
    Object.assign(this, { view, structure, on, nameOf, stepper, moved: false, circuit: null, box: null, isMapped: false, asked: 0 });
    this.map = element("canvas", "map");
    [this.map.width, this.map.height] = MAP;
    this.measure();
    this.listening = new AbortController();
    this.listen();
    this.build();
    this.fit();
  }

  /** Lay out what is expanded now, and draw it; the view stays where it is. */
  build() {
    const begun = performance.now();
    this.picture = this.structure.picture();
    this.layoutTime = performance.now() - begun;
    const { things, wires, width, height } = this.picture;
    const Kind = things.length <= DRAWN && wires.length <= 2 * DRAWN ? DrawnCircuit : PaintedCircuit;
    if (!(this.circuit instanceof Kind)) {
      this.circuit?.destroy();
      this.circuit = new Kind(this.view, this.on, this.nameOf);
    }
    this.circuit.show(this.picture);
    this.all = [0, 0, width, height];
    this.places = new Map(things.map((thing) => [thing.node ?? thing.group, thing]));
    this.isMapped = false;
    this.circuit.update(this.stepper, null);
    if (this.box) this.look(this.box);
    this.buildTime = performance.now() - begun;
  }

  /** Collapse or expand a group: it stays where it is on the screen, and so does all that has room. */
  toggle(group) {
    const middle = () => {
      const box = this.picture.boxes.find((other) => other.group === group);
      return box ? box.y + box.height / 2 : this.places.get(group)?.y ?? 0;
    };
    const y = middle();
    this.structure.toggle(group);
    this.build();
    this.look([this.box[0], this.box[1] + middle() - y, this.box[2], this.box[3]]);
  }

  look(box) {
    this.box = box;
    this.circuit.look(this.frame());
    this.asked ||= requestAnimationFrame(() => { this.asked = 0; this.drawMap(); });
  }

  // A small circuit is not blown up, at most to twice its natural size; of a long or tall one the beginning is shown.
  fit() {
    const [x, y, width, height] = this.all;
    const [across, down] = this.size;
    if (width / height > (12 * across) / down) { this.look([x, y - height / 2, (height * 2 * across) / down, height * 2]); return; }
    if (height / width > (12 * down) / across) { this.look([x - width, y, width * 3, (width * 3 * down) / across]); return; }
    const wide = width * Math.max(1, across / (2 * width));
    this.look([x - (wide - width) / 2, y, wide, height]);
  }

  /** All of it, however small. */
  overview() { this.look([...this.all]); }

  zoom(factor, x = this.box[0] + this.box[2] / 2, y = this.box[1] + this.box[3] / 2) {
    const [left, top, width, height] = this.box;
    this.look([x - (x - left) * factor, y - (y - top) * factor, width * factor, height * factor]);
  }

  /** Bring a node or group into the middle, where it is out of sight; into reading size, where that is asked for. */
  reveal(what, isRead = false) {
    const thing = this.places.get(what);
    if (!thing) return;
    let [x, y, width, height] = this.box;
    const { scale } = this.frame();
    if (isRead && scale < 0.5) { width *= scale; height *= scale; } else {
      const [half, tall] = [thing.width / 2, thing.height / 2];
      const inside = thing.x - half >= x && thing.y - tall >= y && thing.x + half <= x + width && thing.y + tall <= y + height;
      if (inside) return;
    }
    this.look([thing.x - width / 2, thing.y - height / 2, width, height]);
  }

  /** The view's size. Asked once and whenever it changes: the browser lays out the whole page to answer. */
  measure() { this.size = [this.view.clientWidth || 800, this.view.clientHeight || 600]; }

  /** The view's size, how many of its pixels one of the drawing is, and the drawing's point at its upper left corner. */
  frame() {
    const [width, height] = this.size;
    const [x, y, wide, high] = this.box;
    const scale = Math.min(width / wide, height / high);
    return { width, height, scale, left: x + wide / 2 - width / scale / 2, top: y + high / 2 - height / scale / 2 };
  }

  listen() {
    const { view, map } = this;
    const { signal } = this.listening;
    view.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { scale, left, top } = this.frame();
      const around = view.getBoundingClientRect();
      const factor = Math.min(Math.max(Math.exp(event.deltaY / 500), 0.5), 2);
      this.zoom(factor, left + (event.clientX - around.left) / scale, top + (event.clientY - around.top) / scale);
    }, { passive: false, signal });
    let drag = null;
    view.addEventListener("pointerdown", (event) => { drag = event.target === map ? null : [event.clientX, event.clientY, this.box]; this.moved = false; }, { signal });
    view.addEventListener("pointermove", (event) => {
      if (!drag || !event.buttons) return;
      const [x, y, start] = drag;
      this.moved = this.moved || Math.hypot(event.clientX - x, event.clientY - y) > 4;
      const { scale } = this.frame();
      if (this.moved) this.look([start[0] - (event.clientX - x) / scale, start[1] - (event.clientY - y) / scale, start[2], start[3]]);
    }, { signal });
    view.addEventListener("dblclick", () => this.fit(), { signal });
    const travel = (event) => {
      const around = map.getBoundingClientRect();
      const x = ((event.clientX - around.left) / around.width) * this.all[2];
      const y = ((event.clientY - around.top) / around.height) * this.all[3];
      this.look([x - this.box[2] / 2, y - this.box[3] / 2, this.box[2], this.box[3]]);
    };
    map.addEventListener("pointerdown", travel, { signal });
    map.addEventListener("pointermove", (event) => { if (event.buttons) travel(event); }, { signal });
    map.addEventListener("dblclick", (event) => event.stopPropagation(), { signal });
    this.watcher = new ResizeObserver(() => {
      const [width, height] = this.size;
      this.measure();
      if (this.size[0] !== width || this.size[1] !== height) this.look(this.box);
    });
    this.watcher.observe(view);
  }

  // --- the minimap: all of it in a corner, stretched to fill it, with a frame around what is seen --------------------------

  drawMap() {
    const { things } = this.picture;
    if (things.length < 25) { this.map.remove(); return; }
    const style = getComputedStyle(this.view);
    const [across, down] = [MAP[0] / this.all[2], MAP[1] / this.all[3]];
    if (!this.isMapped) {
      this.isMapped = true;
      this.view.append(this.map);
      this.still = new OffscreenCanvas(...MAP);
      const pen = this.still.getContext("2d");
      pen.fillStyle = style.getPropertyValue("--faint").trim() || "#868e96";
      pen.globalAlpha = Math.max(0.15, Math.min(1, 2000 / things.length));
      for (const { x, y, width, height } of things) pen.fillRect((x - width / 2) * across, (y - height / 2) * down, Math.max(1.5, width * across), Math.max(1.5, height * down));
    }
    const pen = this.map.getContext("2d");
    pen.clearRect(0, 0, ...MAP);
    pen.drawImage(this.still, 0, 0);
    const { width, height, scale, left, top } = this.frame();
    pen.strokeStyle = style.getPropertyValue("--accent").trim() || "#f08c00";
    pen.lineWidth = 1.5;
    pen.strokeRect(left * across, top * down, Math.max(2, (width / scale) * across), Math.max(2, (height / scale) * down));
  }

  update(nodes) { this.circuit.update(this.stepper, nodes); }

  mark(chosen, playhead) { this.circuit.mark(chosen, playhead); }

  destroy() {
    this.listening.abort();
    this.watcher.disconnect();
    cancelAnimationFrame(this.asked);
    this.circuit.destroy();
    this.map.remove();
  }
}
