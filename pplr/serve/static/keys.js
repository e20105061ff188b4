"use strict";
// Arrow keys follow the links to the page before and after; a run in progress moves on by itself.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("input, select, textarea, .scroll")) return;
  const kinds = { ArrowLeft: "prev", ArrowRight: "next" };
  const link = document.querySelector(`a[rel=${kinds[event.key] || "none"}]`);
  if (link) link.click();
});
const body = document.body;
if (body.dataset.progress && body.dataset.progress !== "finished") {
  setInterval(async () => {
    try {
      const answer = await fetch(body.dataset.address);
      if (answer.ok && (await answer.text()) !== body.dataset.progress) location.reload();
    } catch {
      // the server has ended: what is shown stays
    }
  }, 5000);
}
