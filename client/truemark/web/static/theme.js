// Before the page is drawn, so that it does not flash in the other theme.
"use strict";
(() => {
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* storage may be forbidden; the system's theme it is */ }
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
})();
