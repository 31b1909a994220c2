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

// When the page goes, so does its kernel; Voila's own farewell does not come on every phone.
window.addEventListener("pagehide", () => {
  const { kernelId, baseUrl } = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const farewell = new FormData();
  farewell.append("_xsrf", document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "");
  navigator.sendBeacon(`${baseUrl}voila/api/shutdown/${kernelId}`, farewell);
});
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
