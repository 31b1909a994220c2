// ipywidgets gives some controls no name; each takes that of its label, also those that come later.
function nameControls() {
  document.getElementById("main")?.setAttribute("role", "main");  // Voila's shell, in which everything lies
  for (const box of document.querySelectorAll(".widget-inline-hbox")) {
    const label = box.querySelector(".widget-label")?.textContent.trim();
    if (!label) continue;
    for (const part of box.querySelectorAll(".noUi-handle, .widget-readout, progress, .progress"))
      if (part.getAttribute("aria-label") !== label) part.setAttribute("aria-label", label);
  }
}
new MutationObserver(nameControls).observe(document.body, { childList: true, subtree: true });
nameControls();

const { kernelId, baseUrl } = JSON.parse(document.getElementById("jupyter-config-data").textContent);

// When the page goes, so does its kernel; Voila's own farewell does not come on every phone.
window.addEventListener("pagehide", () => {
  const farewell = new FormData();
  farewell.append("_xsrf", document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "");
  navigator.sendBeacon(`${baseUrl}voila/api/shutdown/${kernelId}`, farewell);
});
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// When the kernel goes before the page, the controls are dead: say so.
async function askWhetherAlive() {
  if (document.hidden) return;
  const gone = "This page was left alone for too long, or what computes for it broke down. Load it again to go on.";
  const silent = "The server of this page does not answer: it was stopped, or the network is down.";
  const answer = await fetch(`${baseUrl}api/kernels/${kernelId}`).catch(() => null);
  const words = answer === null ? silent : answer.ok ? "" : gone;
  const place = document.getElementById("dead");
  place.hidden = !words;
  if (place.textContent !== words) place.textContent = words;
}
setInterval(askWhetherAlive, 10_000);
document.addEventListener("visibilitychange", askWhetherAlive);
