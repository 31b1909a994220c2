// Two charts as SVG. Axes end at powers of ten and, while the same source and task are shown, only ever grow.

const NAMESPACE = "http://www.w3.org/2000/svg";
const NARROW = 260; // px: on a phone, where the longer words of a legend do not fit

function part(name, attributes, words) {
  const element = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (words !== undefined) element.textContent = words;
  return element;
}

const finite = (values) => values.filter((value) => value !== null && value > 0);

function decades(values) {
  const found = finite(values);
  if (!found.length) return null;
  return [Math.floor(Math.log10(Math.min(...found)) + 1e-9), Math.ceil(Math.log10(Math.max(...found)) - 1e-9)];
}

// The range of an axis in decades, remembered by what is shown.
export class Axis {
  constructor(most) {
    this.most = most; // decades: what lies lower is cut off
    this.key = null;
  }

  range(key, values) {
    const wanted = decades(values) ?? [0, 1];
    if (key !== this.key) [this.key, this.low, this.high] = [key, ...wanted];
    this.low = Math.min(this.low, wanted[0]);
    this.high = Math.max(this.high, wanted[1], this.low + 1);
    this.low = Math.max(this.low, this.high - this.most);
    return [this.low, this.high];
  }
}

function power(exponent) {
  if (exponent >= -3 && exponent <= 4) return String(Number((10 ** exponent).toPrecision(1)));
  return `10${[...String(exponent)].map((sign) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign] ?? "⁻").join("")}`;
}

function ticks(low, high, room) {
  const step = Math.max(1, Math.ceil((high - low) / Math.max(1, Math.floor(room / 28))));
  const found = [];
  for (let exponent = high; exponent >= low; exponent -= step) found.push(exponent);
  return found;
}

// The legend stands above the field, in as many rows as it needs: [words, class, x] each.
function rowsOf(entries, room) {
  const rows = [[]];
  let x = 0;
  for (const [words, name] of entries) {
    const wide = 34 + 6.6 * words.length;
    if (x + wide > room + 10 && x > 0) [x, rows[rows.length]] = [0, []];
    rows.at(-1).push([words, name, x]);
    x += wide;
  }
  return rows;
}

class Plot {
  constructor(svg, { range, across, label, description, legend, margin = 12 }) {
    this.svg = svg;
    const { width, height } = svg.getBoundingClientRect();
    Object.assign(this, { width: Math.max(width, 120), height: Math.max(height, 90) });
    const left = 50, start = this.width < NARROW ? 0 : left, rows = rowsOf(legend, this.width - start);
    Object.assign(this, { left, right: this.width - margin, top: 4 + 16 * rows.length, bottom: this.height - 34, range, across });
    svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    svg.setAttribute("aria-label", description);
    svg.replaceChildren();
    rows.forEach((row, i) => row.forEach(([words, name, x]) => {
      this.draw("line", { class: `line ${name}`, x1: start + x, x2: start + x + 20, y1: 9 + 16 * i, y2: 9 + 16 * i });
      this.note(start + x + 24, 13 + 16 * i, words, "");
    }));
    this.draw("rect", { class: "field", x: this.left, y: this.top, width: this.right - this.left, height: this.bottom - this.top });
    for (const exponent of ticks(...range, this.bottom - this.top)) {
      const y = this.y(10 ** exponent);
      this.draw("line", { class: "grid", x1: this.left, x2: this.right, y1: y, y2: y });
      this.draw("text", { x: this.left - 6, y: y + 4, "text-anchor": "end" }, power(exponent));
    }
    const [first, last] = across;
    for (const place of [first, Math.round(last / 2), last])
      this.draw("text", { x: this.x(place), y: this.bottom + 15, "text-anchor": "middle" }, place);
    this.draw("text", { x: (this.left + this.right) / 2, y: this.bottom + 30, "text-anchor": "middle" }, label);
  }

  draw(name, attributes, words) {
    const element = part(name, attributes, words);
    this.svg.append(element);
    return element;
  }

  x(place) {
    const [first, last] = this.across;
    return this.left + ((place - first) / Math.max(last - first, 1)) * (this.right - this.left);
  }

  y(value) {
    const [low, high] = this.range;
    const share = Math.min(Math.max((Math.log10(value) - low) / (high - low), 0), 1); // above: along the upper edge
    return this.bottom - share * (this.bottom - this.top);
  }

  // null stands for more than any number
  line(values, name, first = 0) {
    const points = values.map((value, i) => `${this.x(first + i).toFixed(1)},${this.y(value === null ? Infinity : Math.max(value, 1e-300)).toFixed(1)}`);
    this.draw("polyline", { class: `line ${name}`, points: points.join(" ") });
  }

  dots(values, name, first = 1) {
    const radius = values.length > 60 ? 1.6 : 2.4;
    values.forEach((value, i) => this.draw("circle", { class: `dot ${name}`, cx: this.x(first + i), cy: this.y(value), r: radius }));
  }

  // Shares from 0 to 1 have a scale of their own, at the right.
  share(values, name, first = 1) {
    const y = (value) => this.bottom - Math.min(Math.max(value, 0), 1) * (this.bottom - this.top);
    const points = values.map((value, i) => `${this.x(first + i).toFixed(1)},${y(value).toFixed(1)}`);
    this.draw("polyline", { class: `line ${name}`, points: points.join(" ") });
    for (const value of [0, 0.5, 1]) this.note(this.right + 4, y(value) + 4, `${100 * value}%`, name);
  }

  // Where words of this width, that end at the right, are farther from all curves: above or below the last value of `values`.
  beside(values, words, curves) {
    const last = this.y(values.at(-1)), from = this.right - 8 - 7 * words.length;
    const seen = curves.flatMap((one) => one.filter((_, i) => this.x(i) >= from)).map((value) => this.y(value ?? Infinity));
    const room = (y) => (y < this.top + 10 || y > this.bottom - 4 ? -1 : Math.min(...seen.map((one) => Math.abs(one - (y - 4)))));
    return [last + 18, last - 8, last + 34, last - 24].sort((one, two) => room(two) - room(one))[0];
  }

  note(x, y, words, name, anchor = "start") {
    this.draw("text", { class: `note ${name}`, x, y, "text-anchor": anchor }, words);
  }
}

export function drawCurve(svg, axis, key, { answer, run, pinned }) {
  const curves = [answer.losses, run?.losses, pinned?.losses].filter(Boolean);
  // what is predicted to grow without end must not press the rest flat
  const top = 10 * Math.max(...curves.map((one) => one[0] ?? 0));
  const range = axis.range(key, curves.flat().map((value) => (value === null ? null : Math.min(value, top))));
  const plot = new Plot(svg, {
    range, across: [0, answer.steps], label: "steps",
    legend: [["predicted", "predicted"], ...(run ? [["real", "real"]] : []), ...(pinned ? [[pinned.grey ?? "pinned", "pinned"]] : [])],
    description: `Training loss against steps, predicted${run ? " and real" : ""}: from ${answer.losses[0]} to ${answer.losses.at(-1) ?? "beyond all numbers"}.`,
  });
  if (pinned) plot.line(pinned.losses, "pinned");
  if (run) plot.line(run.losses, "real");
  plot.line(answer.losses, "predicted");
  const last = answer.losses.at(-1);
  if (last !== null && last < top) {
    const words = `expect ${Math.round(100 * answer.facts.accuracy)}% right`;
    plot.note(plot.right - 4, plot.beside(answer.losses, words, curves), words, "predicted", "end");
  } else plot.note(plot.right - 4, plot.top + 14, plot.width < NARROW ? "↑ beyond" : "↑ beyond the picture", "predicted", "end");
}

export function drawSpectrum(svg, axis, key, { answer, pinned }) {
  const { values, shares } = answer.spectrum, outputs = answer.facts.outputs, rank = values.length;
  const range = axis.range(key, [...values, ...(pinned?.spectrum.values ?? [])]);
  const reached = shares[rank - 1] ?? 0;
  const plot = new Plot(svg, {
    range, across: [1, outputs], label: "answers, fastest first", margin: 42,
    legend: [["eigenvalue λ", "speed"], [`right ${svg.clientWidth < NARROW ? "" : "answers "}so far (at right)`, "labels"], ...(pinned ? [[pinned.grey ?? "pinned", "pinned"]] : [])],
    description: `Eigenvalues against rank: ${rank} of ${outputs} are not zero; along them lies ${Math.round(100 * reached)}% of the labels.`,
  });
  if (rank < outputs) {
    const x = plot.x(rank + 0.5);
    plot.draw("rect", { class: "never", x, y: plot.top, width: Math.max(plot.right - x, 0), height: plot.bottom - plot.top });
    const lines = [`${pinned ? "blue: " : ""}cannot`, "be learned"], room = plot.right - x;
    if (room > 160) lines.splice(0, 2, lines.join(" "));
    if (room > 75) lines.forEach((one, i) => plot.note(x + room / 2, plot.bottom - 12 - 15 * (lines.length - 1 - i), one, "strong", "middle"));
  }
  if (pinned) plot.dots(pinned.spectrum.values.slice(0, outputs), "pinned");
  plot.share(shares.slice(0, rank), "labels");
  plot.dots(values, "speed");
}
