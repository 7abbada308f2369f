// Put the parts to work, and keep them in step with what is looked at.
"use strict";

(() => {
  function begin() {
    const said = parts.given("units");
    if (!said)
      return trouble("data/units.js is missing or broken: copy the whole folder of this page, or make it again.");
    network.start(said);
    const { weights } = network.network;
    byId("subtitle").textContent =
      `${numbers.count(network.size, "unit")} · ${numbers.count(network.layers.length, "layer")} · weights ${weights.slice(0, 12)}`;
    view.start();
    for (const part of [tips, theme, strip, filters, grid, card, exporting, about]) part.start();
    view.listen(update);
    update(view.state, null);
    document.documentElement.dataset.ready = "yes";
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("painted"))); // for whoever measures
  }

  function update(state, before) {
    if (choice.isOther(state, before)) choice.update(state);
    filters.update(state);
    strip.update(state);
    grid.update(state, before);
    card.update(state, before);
  }

  function trouble(text) {
    byId("trouble").textContent = text;
    byId("trouble").hidden = false;
  }

  // Light, dark, or as the system has it; remembered where the browser lets a page remember.
  const theme = {
    start() {
      const stored = () => {
        try {
          return localStorage.getItem("atlas-theme");
        } catch {
          return null;
        }
      };
      const show = (choice) => {
        document.documentElement.style.colorScheme = choice ?? "light dark";
        const dark = choice ? choice === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
        byId("theme").textContent = dark ? "Light theme" : "Dark theme";
        return dark;
      };
      let dark = show(stored());
      byId("theme").addEventListener("click", () => {
        const next = dark ? "light" : "dark";
        try {
          localStorage.setItem("atlas-theme", next);
        } catch {
          /* it is forgotten when the page closes */
        }
        dark = show(next);
      });
    },
  };

  begin();
})();
