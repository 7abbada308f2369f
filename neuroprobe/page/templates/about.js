// How the numbers were made: network, versions, stimuli and data, definitions, every column, and how to cite.
"use strict";

const about = (() => {
  function start() {
    const { model, model_class: kind, weights, versions } = network.network;
    const made = [
      ["Network", model],
      ["Class", kind],
      ["Weights, digest", weights],
      [
        "Versions",
        Object.entries(versions ?? {})
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
      ],
    ];
    byId("about-text").append(
      pairs(made.filter(([, value]) => value)),
      ...network.results.map(result),
      folded("Columns", columns()),
      folded(
        "To cite",
        element("p", {
          text: `neuroprobe developers (2026), neuroprobe, version ${network.neuroprobe}; and the papers whose measures are shown: Ukita, Neural Networks 125 (2020) 185-193; Ringach, Shapley and Hawken, J. Neurosci. 22 (2002) 5639-5651; Mazurek, Kager and Van Hooser, Front. Neural Circuits 8 (2014) 92; Leavitt and Morcos, arXiv 2003.01262; Morcos et al., arXiv 1803.06959; Zhou et al., arXiv 1806.02891.`,
        }),
      ),
      element("p", {
        class: "quiet",
        text: `Made with neuroprobe ${network.neuroprobe}. Charts are drawn with D3, which is in this folder with its licence. The page loads nothing from elsewhere.`,
      }),
    );
  }

  function pairs(list) {
    return element(
      "dl",
      {},
      ...list.flatMap(([term, text]) => [element("dt", { text: term }), element("dd", { text })]),
    );
  }

  function folded(title, ...children) {
    return element("details", {}, element("summary", { text: title }), ...children);
  }

  function result({ title, made, definitions }) {
    return folded(
      title,
      pairs(made),
      definitions.length ? element("h3", { text: "Definitions" }) : null,
      pairs(definitions),
    );
  }

  function columns() {
    const rows = network.columns.map((column) =>
      element(
        "tr",
        {},
        element("th", { scope: "row", text: column.label }),
        element("td", { text: column.unit }),
        element("td", { text: column.meaning }),
        element("td", {}, element("code", { text: column.id })),
      ),
    );
    const head = element(
      "thead",
      {},
      element(
        "tr",
        {},
        ...["Column", "Unit", "Meaning", "In CSV"].map((text) => element("th", { scope: "col", text })),
      ),
    );
    return element(
      "div",
      { class: "wide" },
      element("table", { class: "numbers" }, head, element("tbody", {}, ...rows)),
    );
  }

  return { start };
})();
