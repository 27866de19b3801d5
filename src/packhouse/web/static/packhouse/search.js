// SPDX-License-Identifier: Apache-2.0
// Results while you type: asks for the same page the form asks for, and takes its #results. Without it, press Enter.
(() => {
  const form = document.querySelector("form[data-instant]");
  const input = form?.querySelector("input[type=search]");
  if (!input || !window.fetch) return;
  let timer = 0;
  let running = null;
  let shown = new URLSearchParams(new FormData(form)).toString();

  const show = async () => {
    const query = new URLSearchParams(new FormData(form)).toString();
    if (query === shown) return;
    running?.abort();
    running = new AbortController();
    const url = `${form.action.split("?")[0]}?${query}`;
    try {
      const reply = await fetch(url, { signal: running.signal, headers: { "X-Requested-With": "fetch" }, credentials: "same-origin" });
      if (!reply.ok) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = page.getElementById("results");
      const old = document.getElementById("results");
      if (!fresh || !old) return;
      old.replaceWith(fresh);
      document.title = page.title;
      history.replaceState(null, "", url);
      shown = query;
    } catch { /* aborted by the next letter, or offline: Enter still works */ }
  };

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, 140);
  });
})();
