// Comfort on top of pages that work without it: live parts, copy buttons, the search key, the theme.
"use strict";
(() => {
  const find = (query, within = document) => Array.from(within.querySelectorAll(query));

  const toast = document.querySelector(".toast");
  let fading;
  const say = (text) => {
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(fading);
    fading = setTimeout(() => { toast.hidden = true; }, 2500);
  };

  // Theme
  const toggle = document.querySelector("[data-theme-toggle]");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* then for this page only */ }
  });

  // Search
  const search = document.getElementById("q");
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    const typing = target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && target === search) {
      search.blur();
    }
  });

  // Copy
  const prepare = (within) => { for (const button of find("[data-copy]", within)) button.hidden = false; };
  prepare(document);
  document.addEventListener("click", async (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say("Copied");
    } catch {
      say("The browser does not allow it: mark the text instead");
    }
  });

  // Ages
  const words = (seconds) => {
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) {
      const hours = Math.floor(seconds / 3600);
      return hours < 6 ? `${hours} h ${Math.floor((seconds % 3600) / 60)} min` : `${hours} h`;
    }
    return `${Math.floor(seconds / 86400)} d`;
  };
  const ages = () => {
    for (const each of find("time[data-age]")) {
      const past = Math.floor((Date.now() - Date.parse(each.dateTime)) / 1000);
      const text = past > 0 ? `${words(past)} ago` : "just now";
      if (each.textContent !== text) each.textContent = text;
    }
  };
  setInterval(ages, 1000);

  // Live: the page is asked for again, and its live parts put in place of the old ones.
  const stream = document.body.dataset.stream;
  if (!stream || !window.EventSource || new URL(location.href).searchParams.has("cursor")) return;
  if (!document.querySelector("main [data-live]")) return;
  let busy = false, again = false, timer;
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of find("[data-live]")) {
          const part = fresh.querySelector(`[data-live="${old.dataset.live}"]`);
          if (!part || old.contains(document.activeElement) || old.querySelector("details[open]")) continue;
          const known = new Set(find("[data-key]", old).map((each) => each.dataset.key));
          const next = document.adoptNode(part);
          if (known.size) for (const each of find("[data-key]", next)) if (!known.has(each.dataset.key)) each.classList.add("fresh");
          old.replaceWith(next);
          prepare(next);
        }
        document.documentElement.dataset.updates = String(Number(document.documentElement.dataset.updates || 0) + 1);
      }
    } catch { /* the explorer is restarting; the stream tells when it is back */ }
    busy = false;
    if (again) { again = false; plan(); }
  };
  const plan = () => { clearTimeout(timer); timer = setTimeout(refresh, 250); };
  let seen, events;
  const listen = () => {
    events = new EventSource(stream);
    events.addEventListener("head", (event) => {
      const head = JSON.parse(event.data);
      const key = `${head.number}:${head.hash}:${head.reorgs}`;
      const first = seen === undefined && String(head.number) === document.body.dataset.head;
      if (seen !== key && !first) plan();
      seen = key;
    });
    events.addEventListener("rollback", (event) => {
      const what = JSON.parse(event.data);
      say(`Rolled back: blocks ${what.first} to ${what.last}`);
      plan();
    });
  };
  // A browser keeps few connections to one host: a page that nobody looks at gives its own back.
  const look = () => {
    if (document.hidden) {
      if (events) events.close();
      events = undefined;
    } else if (!events) {
      listen();
    }
  };
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", () => { if (events) events.close(); events = undefined; });
  window.addEventListener("pageshow", look);
  look();
})();
