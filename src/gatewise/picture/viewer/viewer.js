"use strict";
(() => {
  const scene = JSON.parse(document.getElementById("gatewise-scene").textContent);
  const panel = document.getElementById("gatewise-panel");
  const view = document.getElementById("gatewise-view");
  const svg = view.querySelector("svg");
  const nodes = new Map(scene.nodes.map((node) => [node.identifier, node]));
  const shapes = new Map([...svg.querySelectorAll("[data-node]")].map((shape) => [+shape.dataset.node, shape]));
  const wires = [...svg.querySelectorAll("[data-wire]")];

  // --- words -------------------------------------------------------------------------------------------------------

  const element = (tag, kind, text, ...children) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text) made.textContent = text;
    made.append(...children);
    return made;
  };
  const digits = (number) => (typeof number === "number" ? String(+number.toPrecision(6)) : String(number));
  const shape = (quantity) => (quantity.shape.length === 1 ? `(${quantity.shape[0]},)` : quantity.shape.join("×"));
  const alarming = (quantity) => typeof quantity.number === "string"
    || (quantity.statistics && quantity.statistics.nans + quantity.statistics.infinities > 0);
  const words = (quantity) => {
    if (!quantity) return "none";
    if (quantity.number !== null) return digits(quantity.number);
    const known = quantity.statistics;
    if (!known || !quantity.shape.length) return quantity.text;
    const broken = [[known.nans, "nan"], [known.infinities, "inf"]].filter(([count]) => count);
    const facts = broken.map(([count, what]) => `${count} ${what}`);
    if (known.size > known.nans + known.infinities) facts.push(`${digits(known.minimum)}…${digits(known.maximum)}`);
    return `${shape(quantity)} [${facts.join(", ") || "empty"}]`;
  };
  const number = (quantity, kind) =>
    element("span", `${kind} ${quantity && alarming(quantity) ? "alarm" : ""}`, words(quantity));
  const row = (...parts) => element("div", "row numbers", "", ...parts);

  // --- the panel ---------------------------------------------------------------------------------------------------

  const statistics = (quantity, kind) => {
    const known = quantity && quantity.shape.length && quantity.statistics;
    if (!known) return [];
    const table = element("table", "numbers");
    const finite = (number) => (known.size > known.nans + known.infinities ? digits(number) : "–");
    const facts = {
      shape: shape(quantity), dtype: quantity.dtype, min: finite(known.minimum), max: finite(known.maximum),
      mean: finite(known.mean), std: finite(known.deviation),
      zeros: `${known.zeros} of ${known.size}`, nan: known.nans, inf: known.infinities,
    };
    for (const [name, fact] of Object.entries(facts)) {
      const loud = (name === "nan" || name === "inf") && fact > 0;
      table.append(element("tr", "", "", element("td", "", name), element("td", "", "", element("span", loud ? "alarm" : "", String(fact)))));
    }
    return [element("h2", "", `${kind}, in numbers`), table];
  };

  const name = (edge) => {
    const source = nodes.get(edge.source);
    const written = source.source ? source.source.expression : "";
    return source.name || (source.kind === "input" ? source.label : written) || edge.wire || `input ${edge.slot}`;
  };

  const rule = (edge, node) => {
    const left = element("b", "", name(edge));
    if (!edge.gradient) return row(left, " no gradient on this wire");
    if (!edge.local) return row(left, " upstream ", number(node.gradient, "gradient"), " → ", number(edge.gradient, "gradient"));
    return row(left, " ", number(node.gradient, "gradient"), " × ", number(edge.local, ""), " = ", number(edge.gradient, "gradient"));
  };

  const tell = (node) => {
    const incoming = scene.edges.filter((edge) => edge.target === node.identifier);
    const parts = scene.edges.filter((edge) => edge.source === node.identifier && edge.gradient);
    const title = node.kind === "gate"
      ? `${node.name ? `${node.name}: ` : ""}${node.gate}${node.label !== node.gate ? ` (${node.label})` : ""}`
      : `${node.kind === "elided" ? "earlier gate, not drawn:" : node.kind} ${node.label}`;
    panel.replaceChildren(element("h1", "", title));
    if (node.story) panel.append(element("p", "story", node.story));
    if (node.kind === "output") return;
    panel.append(row(element("b", "", "value"), " ", number(node.value, "value")));
    panel.append(row(element("b", "", "gradient"), " ", number(node.gradient, "gradient")));
    if (incoming.some((edge) => edge.gradient)) {
      panel.append(element("h2", "", incoming.some((edge) => edge.local) ? "upstream × local = gradient" : "upstream → gradient"), ...incoming.map((edge) => rule(edge, node)));
    }
    if (parts.length > 1) {
      panel.append(element("h2", "", "gradients add up at forks"));
      for (const edge of parts) {
        const target = nodes.get(edge.target);
        panel.append(row(element("b", "", "from"), ` ${target.name || target.label} `, number(edge.gradient, "gradient")));
      }
    }
    panel.append(...statistics(node.value, "value"), ...statistics(node.gradient, "gradient"));
    if (node.source) {
      panel.append(element("h2", "", `${node.source.file}:${node.source.line}`));
      if (node.source.text) panel.append(element("pre", "", node.source.text));
    }
  };

  let kept = false;
  const choose = (identifier) => {
    for (const [other, shape] of shapes) shape.classList.toggle("chosen", other === identifier);
    for (const wire of wires) {
      const edge = scene.edges[+wire.dataset.wire];
      wire.classList.toggle("chosen", edge.source === identifier || edge.target === identifier);
    }
    tell(nodes.get(identifier));
  };
  for (const [identifier, shape] of shapes) {
    shape.setAttribute("tabindex", "0");
    shape.setAttribute("role", "button");
    shape.setAttribute("aria-label", shape.querySelector("title").textContent);
    shape.querySelector("title").remove(); // the panel says it better than the browser's own tip
    shape.addEventListener("pointerenter", () => { if (!kept) choose(identifier); });
    shape.addEventListener("focus", () => choose(identifier));
    shape.addEventListener("click", () => { kept = true; choose(identifier); });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") kept = false; });

  // --- moving and zooming ------------------------------------------------------------------------------------------

  const all = svg.viewBox.baseVal;
  const whole = [all.x, all.y, all.width, all.height];
  let box = [...whole];
  const look = (next) => { box = next; svg.setAttribute("viewBox", box.join(" ")); };
  const scale = () => Math.max(box[2] / view.clientWidth, box[3] / view.clientHeight);
  // A small circuit is not blown up: at most twice its natural size.
  const fit = () => {
    const grow = Math.max(1, view.clientWidth / (2 * whole[2]));
    const width = whole[2] * grow;
    look([whole[0] - (width - whole[2]) / 2, whole[1], width, whole[3]]);
  };
  view.addEventListener("wheel", (event) => {
    event.preventDefault();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const factor = Math.min(Math.max(Math.exp(event.deltaY / 500), 0.5), 2);
    look([point.x - (point.x - box[0]) * factor, point.y - (point.y - box[1]) * factor, box[2] * factor, box[3] * factor]);
  }, { passive: false });
  let drag = null;
  let moved = false;
  view.addEventListener("pointerdown", (event) => { drag = [event.clientX, event.clientY, box]; moved = false; });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y, start] = drag;
    moved = moved || Math.hypot(event.clientX - x, event.clientY - y) > 4;
    if (moved) look([start[0] - (event.clientX - x) * scale(), start[1] - (event.clientY - y) * scale(), start[2], start[3]]);
  });
  addEventListener("pointerup", () => { drag = null; });
  view.addEventListener("click", (event) => { if (!moved && !event.target.closest("[data-node]")) kept = false; });
  view.addEventListener("dblclick", fit);
  fit();
  const asked = location.hash.match(/^#node-(\d+)$/);
  if (asked && nodes.has(+asked[1])) choose(+asked[1]);
})();
