// The way of one example: as it is, what is trained, what the frozen network sees.

const NAMESPACE = "http://www.w3.org/2000/svg";

function series(values, trained) {
  const svg = document.createElementNS(NAMESPACE, "svg");
  svg.setAttribute("viewBox", "0 0 100 60");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const low = Math.min(...values), high = Math.max(...values), step = 100 / Math.max(values.length - 1, 1);
  const y = (value) => 56 - (52 * (value - low)) / (high - low || 1);
  trained?.forEach((place, i) => {
    if (!place) return;
    const bar = document.createElementNS(NAMESPACE, "rect");
    for (const [name, value] of Object.entries({ x: (i - 0.5) * step, y: 0, width: step, height: 60, class: "trained" })) bar.setAttribute(name, value);
    svg.append(bar);
  });
  const line = document.createElementNS(NAMESPACE, "polyline");
  line.setAttribute("class", "series");
  line.setAttribute("points", values.map((value, i) => `${(i * step).toFixed(1)},${y(value).toFixed(1)}`).join(" "));
  svg.append(line);
  return svg;
}

function picture({ title, alt, image, series: values, trained }) {
  const figure = document.createElement("figure");
  let shown;
  if (image) {
    shown = document.createElement("img");
    shown.src = `data:image/png;base64,${image}`;
    shown.alt = alt;
  } else if (values) {
    shown = series(values, trained);
    shown.setAttribute("aria-label", alt);
  }
  const caption = document.createElement("figcaption"), rest = document.createElement("span");
  const [, first, further] = title.match(/^(\w+)(.*)$/); // a phone has room for one word
  rest.textContent = further;
  caption.append(first, rest);
  figure.append(...(shown ? [shown] : []), caption);
  return figure;
}

function arrow() {
  const sign = document.createElement("span");
  Object.assign(sign, { className: "arrow", textContent: "→" });
  sign.setAttribute("aria-hidden", "true");
  return sign;
}

export function drawPipeline(box, answer) {
  const parts = answer.pictures.flatMap((one) => [picture(one), arrow()]);
  const frozen = document.createElement("div");
  frozen.className = "frozen";
  frozen.innerHTML = "<strong>❄ frozen</strong>";
  frozen.append(answer.facts.network);
  const said = document.createElement("div"), { is, guess, right, all } = answer.example;
  said.className = "said";
  said.append(`says ${guess} ${guess === is ? "✓" : "✗"}`, document.createElement("br"), `${right} of ${all} right`);
  box.replaceChildren(...parts, frozen, arrow(), said);
}
