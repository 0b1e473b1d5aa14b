// Light, dark or as the system says; runs in <head> before anything is painted, so that no page flashes.
// Django's admin reads the same key ("theme"), so one choice holds for both.
"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const CHOICES = ["light", "dark", "auto"];

  function read() {
    try {
      const kept = localStorage.getItem("theme");
      return CHOICES.includes(kept) ? kept : "auto";
    } catch {
      return "auto"; // storage is forbidden: follow the system
    }
  }

  function show(choice) {
    const isDark = choice === "dark" || (choice === "auto" && system.matches);
    root.dataset.themeChoice = choice;
    root.dataset.bsTheme = isDark ? "dark" : "light";
    for (const button of document.querySelectorAll("[data-theme-set]")) {
      const isChosen = button.dataset.themeSet === choice;
      button.setAttribute("aria-pressed", String(isChosen));
      button.classList.toggle("active", isChosen);
    }
  }

  function choose(choice) {
    try {
      localStorage.setItem("theme", choice);
    } catch {
      // holds for this page only
    }
    show(choice);
  }

  root.classList.add("js");
  show(read());
  system.addEventListener("change", () => show(read()));
  addEventListener("storage", (event) => event.key === "theme" && show(read()));
  document.addEventListener("DOMContentLoaded", () => show(read()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-set]");
    if (button) choose(button.dataset.themeSet);
  });
})();
