// SPDX-License-Identifier: Apache-2.0
// Small comforts; every page works without them: copy buttons, theme switch, menus that close.
(() => {
  const root = document.documentElement;

  const textOf = (button) => {
    if (button.dataset.copy) return button.dataset.copy;
    return (button.previousElementSibling ?? button.parentElement).textContent.trim();
  };

  const copy = async (button) => {
    const said = button.dataset.said ?? (button.dataset.said = button.textContent);
    try {
      await navigator.clipboard.writeText(textOf(button));
      button.textContent = "Copied";
      button.dataset.done = "";
    } catch {
      button.textContent = "Press Ctrl-C";
      if (button.previousElementSibling) getSelection().selectAllChildren(button.previousElementSibling);
    }
    setTimeout(() => {
      button.textContent = said;
      delete button.dataset.done;
    }, 1600);
  };

  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  const switchTheme = () => {
    const theme = dark() ? "light" : "dark";
    root.dataset.theme = theme;
    try { localStorage.setItem("theme", theme); } catch { /* not remembered, still switched */ }
  };

  const closeMenus = (except) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.matches(".copy, .copy-word")) copy(button);
    if (button?.matches(".theme")) switchTheme();
    closeMenus(event.target);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
    }
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select, [contenteditable]")) {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    }
  });

  // Tell assistive technology which section of the page is shown; sight is served by :target alone.
  const markSection = () => {
    const links = [...document.querySelectorAll(".sections a[href^='#']")];
    if (!links.length) return;
    const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const section = target?.closest(".section") ?? document.querySelector(".section-first");
    for (const link of links) {
      if (section && link.hash === `#${section.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  addEventListener("hashchange", markSection);
  markSection();
})();
