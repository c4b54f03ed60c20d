// The local page: what is typed or picked goes to the program, what comes back is shown by the viewer.
import { wordsOf } from "./words.js";

const PAUSE = 350; // milliseconds without a key, after which what is typed is asked
const AGAIN = 2000; // and after which a lost connection is tried again
const SLIDERS = 6;

const make = (tag, kind = "", text = "", ...children) => {
  const made = document.createElement(tag);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  made.append(...children);
  return made;
};

/** Build the page in an element; `address` is the websocket's, `mount` the viewer's. */
export const open = (root, { address, mount, language = "en" }) => {
  let words = wordsOf(language);
  let socket = null;
  let offered = { examples: [], functions: [] };
  let source = null; // what is shown: an expression, a function or an example
  let shown = null; // the viewer
  let count = 0;
  let waiting = false; // one question at a time; of those asked meanwhile, the last
  let next = null;
  const channel = { receive: null, send: (message) => ask({ number: message.number, source, edits: message.edits }) };

  const flush = () => {
    if (waiting || !next || !socket || socket.readyState !== WebSocket.OPEN) return;
    socket.send(JSON.stringify(next));
    waiting = true;
    next = null;
    parts.state.textContent = words.working;
  };
  const ask = (question) => { next = question; flush(); };
  const request = (asked) => { count += 1; ask({ number: `source ${count}`, source: asked, edits: [] }); pending = asked; };
  let pending = null;

  const parts = {};

  // --- what comes back ---------------------------------------------------------------------------------------------

  const told = (message) => {
    waiting = false;
    parts.state.textContent = "";
    const isSource = typeof message.number === "string";
    if (isSource && message.number !== `source ${count}`) { flush(); return; } // asked anew since
    if (!isSource) { channel.receive?.(message); flush(); return; }
    parts.trouble.textContent = message.type === "error" ? message.message : "";
    if (message.type === "scene") {
      source = { ...pending, values: message.values };
      pending = source;
      next = null; // an edit of the circuit that was shown until now
      if (shown) shown.show(message.scene); else shown = mount(parts.viewer, message.scene, { language, channel, wholePage: true });
      tellValues(message);
      mark();
    }
    flush();
  };

  /** A field for each value, and a slider where it is one number. Rows stay: what is being typed or dragged goes on. */
  const tellValues = ({ scene, values }) => {
    const inputs = new Map(scene.nodes.filter((node) => node.kind === "input" && typeof node.value === "number").map((node) => [node.name, node]));
    const given = Object.keys(values ?? {});
    const names = given.length ? given : [...inputs.keys()].slice(0, SLIDERS);
    parts.inputs.hidden = !names.length;
    for (const [name, { row }] of rows) if (!names.includes(name)) { row.remove(); rows.delete(name); }
    names.forEach((name, place) => {
      if (!rows.has(name)) rows.set(name, rowOf(name));
      const { row, field, slider, tell } = rows.get(name);
      tell(inputs.get(name));
      if (field !== document.activeElement) field.value = values?.[name] ?? String(inputs.get(name).value);
      field.disabled = !given.length;
      slider.hidden = !Number.isFinite(inputs.get(name)?.value);
      if (parts.values.children[place] !== row) parts.values.insertBefore(row, parts.values.children[place] ?? null);
    });
  };
  const rows = new Map();

  const rowOf = (name) => {
    let node = null; // of the circuit that is shown
    const field = Object.assign(make("input", "value"), { name });
    field.setAttribute("aria-label", name);
    field.addEventListener("change", () => request({ ...pending, values: { ...pending.values, [name]: field.value } }));
    const slider = Object.assign(make("input", "slide"), { type: "range" });
    slider.setAttribute("aria-label", `${name}, slider`);
    slider.addEventListener("input", () => { field.value = String(+(+slider.value).toPrecision(6)); shown.set(node.identifier, +slider.value); });
    const tell = (other) => {
      node = other;
      if (!Number.isFinite(node?.value)) return;
      const reach = 3 * Math.max(1, Math.abs(node.value));
      Object.assign(slider, { min: node.value - reach, max: node.value + reach, step: reach / 100, value: node.value });
    };
    return { row: make("label", "row", "", make("b", "", name), field, slider), field, slider, tell };
  };

  // --- what is asked ------------------------------------------------------------------------------------------------

  const pick = (asked, explanation = "") => {
    parts.expression.value = asked.expression ?? "";
    parts.explanation.textContent = explanation;
    request(asked);
  };

  const mark = () => {
    for (const button of root.querySelectorAll("button.pick")) button.setAttribute("aria-pressed", button.dataset.key === (source.key ?? ""));
  };

  const offer = () => {
    const button = (key, text, action) => {
      const made = make("button", "pick", text);
      made.type = "button";
      made.dataset.key = key;
      made.addEventListener("click", action);
      return made;
    };
    parts.gallery.replaceChildren(...offered.examples.map((example) => button(`example ${example.name}`, example.title[language] ?? example.title.en,
      () => pick({ ...example.source, key: `example ${example.name}` }, example.explanation[language] ?? example.explanation.en))));
    parts.functions.hidden = !offered.functions.length;
    parts.own.replaceChildren(...offered.functions.map((name) => button(`function ${name}`, name, () => pick({ function: name, values: {}, key: `function ${name}` }))));
  };

  const connect = () => {
    socket = new WebSocket(address);
    socket.addEventListener("open", () => { parts.trouble.textContent = ""; waiting = false; flush(); });
    socket.addEventListener("message", (event) => told(JSON.parse(event.data)));
    socket.addEventListener("close", () => { waiting = false; parts.state.textContent = ""; parts.trouble.textContent = words.lost; setTimeout(connect, AGAIN); });
  };

  const build = () => {
    rows.clear();
    const entry = Object.assign(make("input", "expression"), { placeholder: words.hint, spellcheck: false, autocomplete: "off" });
    entry.setAttribute("aria-label", words.expression);
    let timer = null;
    entry.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => { if (entry.value.trim()) { parts.explanation.textContent = ""; request({ expression: entry.value, values: pending?.values ?? {} }); } }, PAUSE);
    });
    const switcher = make("button", "language", words.other);
    switcher.type = "button";
    switcher.addEventListener("click", () => {
      language = language === "zh" ? "en" : "zh";
      words = wordsOf(language);
      document.documentElement.lang = language;
      shown?.destroy();
      shown = null;
      const typed = parts.expression.value;
      build();
      offer();
      parts.expression.value = typed;
      if (source) {
        const example = offered.examples.find(({ name }) => source.key === `example ${name}`);
        parts.explanation.textContent = example ? example.explanation[language] ?? "" : "";
        request(source);
      }
    });
    Object.assign(parts, {
      expression: entry, state: make("span", "state"), trouble: make("pre", "trouble"), values: make("div", "values"), explanation: make("p", "explanation"),
      gallery: make("div", "gallery"), own: make("div", "own"), viewer: make("div", "viewer"),
    });
    parts.trouble.setAttribute("role", "status");
    parts.inputs = make("section", "inputs", "", make("h2", "", words.values), parts.values);
    parts.functions = make("section", "functions", "", make("h2", "", words.functions), parts.own);
    parts.inputs.hidden = true;
    parts.functions.hidden = true;
    root.replaceChildren(
      make("header", "", "", make("h1", "", words.title), entry, parts.state, switcher, parts.trouble),
      make("nav", "", "", parts.explanation, parts.inputs, parts.functions, make("section", "", "", make("h2", "", words.gallery), parts.gallery)),
      parts.viewer,
    );
  };

  build();
  fetch("/gallery", { credentials: "same-origin" }).then((answer) => answer.json()).then((said) => {
    offered = said;
    offer();
    connect();
    root.querySelector("button.pick")?.click();
  });

  return { state: () => ({ ...(shown?.state() ?? {}), source, trouble: parts.trouble.textContent }), viewer: () => shown };
};
