// The sources for a task as a table, best first; a row opens its setting.

function cell(name, ...content) {
  const element = document.createElement(name);
  element.append(...content);
  return element;
}

export function drawRanking(box, found, open) {
  const said = found
    ? `Which network should one start from? How many new examples each should get right after ${found.steps} steps, judged from ` +
      `${found.examples} examples after the first twentieth of them. Click one to open it. Training on this page is shorter: ` +
      `compare the order, not the numbers. ${found.words}`
    : "Which network should one start from? All are being judged, without training them to the end: a minute or two the first time.";
  const head = cell("p", said);
  const rows = (found?.rows ?? []).map((row) => {
    const button = cell("button", row.label);
    button.type = "button";
    button.addEventListener("click", () => open(row.query));
    if (row.problem) return cell("tr", cell("td", button), cell("td", row.problem));
    const bar = document.createElement("meter");
    Object.assign(bar, { min: 0, max: 1, value: row.score });
    bar.setAttribute("aria-label", `predicted accuracy of ${row.label}`);
    const [low, high] = row.interval.map((value) => Math.round(100 * value));
    return cell("tr", cell("td", button), cell("td", bar), cell("td", `${Math.round(100 * row.score)}%`),
      cell("td", `${low} to ${high}%`), cell("td", row.tie ? "may be the best" : ""));
  });
  const titles = ["source", "", "right", "95% interval", ""].map((words) => cell("th", words));
  for (const title of titles) title.scope = "col";
  const table = cell("table", cell("thead", cell("tr", ...titles)), cell("tbody", ...rows));
  box.replaceChildren(head, ...(rows.length ? [table] : []));
}
