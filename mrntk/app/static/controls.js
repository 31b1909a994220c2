// The controls: a name, a "?" that says what it means, and a native slider or list, which no answer ever moves.

export function rounded(value) {
  return Number.isInteger(value) ? value : Number(value.toFixed(6)); // 3 * 0.05 is not 0.15 in floats
}

function slider(control, changed) {
  const input = document.createElement("input");
  Object.assign(input, { type: "range", min: control.low, max: control.high, step: control.step });
  input.addEventListener("input", changed);
  return input;
}

function list(control, changed) {
  const select = document.createElement("select");
  for (const [label, value] of control.options) select.append(new Option(label, value));
  select.addEventListener("change", changed);
  return select;
}

export class Control {
  constructor(control, changed) {
    Object.assign(this, control);
    const id = `control-${control.name}`;
    this.box = document.createElement("div");
    this.box.className = "control";
    const label = document.createElement("label");
    label.htmlFor = id;
    label.textContent = control.label;
    this.readout = document.createElement("output");
    this.readout.setAttribute("for", id);
    const help = document.createElement("button");
    Object.assign(help, { type: "button", className: "help", textContent: "?" });
    help.setAttribute("aria-label", `What is “${control.label}”?`);
    help.setAttribute("aria-expanded", "false");
    const words = document.createElement("p");
    Object.assign(words, { id: `${id}-help`, className: "words", hidden: true, textContent: control.help });
    help.setAttribute("aria-controls", words.id);
    help.addEventListener("click", () => {
      words.hidden = !words.hidden;
      help.setAttribute("aria-expanded", String(!words.hidden));
    });
    this.input = control.options ? list(control, () => this.moved(changed)) : slider(control, () => this.moved(changed));
    this.input.id = id;
    const head = document.createElement("div");
    head.className = "head";
    head.append(label, help, ...(control.options ? [] : [this.readout]));
    this.box.append(head, this.input, words);
  }

  moved(changed) {
    this.say();
    changed(this.name);
  }

  say() {
    if (this.options) return;
    const words = String(this.value);
    this.readout.textContent = words;
    this.input.setAttribute("aria-valuetext", words);
  }

  get value() {
    return this.options ? this.input.value : rounded(Number(this.input.value));
  }

  set value(value) {
    if (String(value) !== String(this.value)) this.input.value = value;
    this.say();
  }

  offer(label, value) {
    const known = [...this.input.options].find((option) => option.value === value);
    if (known) known.text = label;
    else this.input.append(new Option(label, value));
  }
}
