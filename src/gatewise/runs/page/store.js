// What is known of the runs: the server's answers, put together.

/** One run: its summary, its series as buckets by number, its images, its circuit. */
class Run {
  constructor(identifier, place) {
    this.identifier = identifier;
    this.place = place;
    this.series = new Map();
    this.images = new Map();
    this.circuit = null;
    this.known = { step: -1, stride: 0, updated: 0 };
    this.shown = true;
  }

  /** Take in what is new of it. */
  take(answer) {
    if (answer.stride !== this.known.stride) this.series.clear();
    for (const { kind, name, latest, points } of answer.series) {
      const key = `${kind} ${name}`;
      if (!this.series.has(key)) this.series.set(key, { kind, name, latest, buckets: new Map(), points: [] });
      const one = this.series.get(key);
      one.latest = latest;
      for (const [number, step, count, broken, mean, low, high] of points) one.buckets.set(number, { step, count, broken, mean, low, high });
      if (points.length) one.points = [...one.buckets.entries()].sort(([a], [b]) => a - b).map(([, bucket]) => bucket);
    }
    for (const image of answer.images) this.images.set(image.name, image);
    if (answer.circuit) this.circuit = answer.circuit;
    this.known = { step: answer.step, stride: answer.stride, updated: answer.updated };
    this.summary = answer;
  }

  of(kind) { return [...this.series.values()].filter((one) => one.kind === kind); }

  get(kind, name) { return this.series.get(`${kind} ${name}`); }
}

/** All runs, from a page that holds them or from the program that serves it. */
export class Store {
  constructor() {
    this.runs = new Map();
    this.now = Date.now() / 1000;
  }

  run(identifier) {
    if (!this.runs.has(identifier)) this.runs.set(identifier, new Run(identifier, this.runs.size));
    return this.runs.get(identifier);
  }

  /** Everything at once, out of a saved page. */
  fill({ now, runs }) {
    this.now = now;
    for (const answer of runs) this.run(answer.identifier).take(answer);
  }

  /** Ask for what is new; true where something was. */
  async refresh(ask) {
    const { now, runs } = await ask("runs");
    this.now = now;
    let changed = false;
    for (const summary of runs) {
      const run = this.run(summary.identifier);
      if (summary.updated === run.known.updated) continue;
      run.take(await ask(`runs/${summary.identifier}?since=${run.known.step}&stride=${run.known.stride}`));
      changed = true;
    }
    return changed;
  }
}
