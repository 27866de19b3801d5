// SPDX-License-Identifier: Apache-2.0
// Runs before the page is painted: applies the remembered theme, and says that scripts run.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* storage is off: the system's theme it is */ }
})();
