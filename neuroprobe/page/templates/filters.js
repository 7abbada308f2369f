// The controls above the strip and the table: index, threshold, layer, filters.
"use strict";

const filters = (() => {
  const NUMBER = { ge: "at least", le: "at most", eq: "equals", known: "is known", missing: "is missing" };
  const WORD = { is: "is", not: "is not", known: "is known", missing: "is missing" };
  const SIGNS = { ge: "≥", le: "≤", eq: "=", is: "is", not: "is not", known: "is known", missing: "is missing" };
  const STEPS = 1000; // of the slider

  function start() {
    byId("index").append(...grouped((column) => column.isNumber && column.id !== "unit" && column.extent));
    byId("layer").append(option("", "all"), ...network.layers.map((layer) => option(layer.number, layer.name)));
    byId("index").addEventListener("change", (event) => view.change({ index: event.target.value, at: null }));
    byId("layer").addEventListener("change", (event) =>
      view.change({ layer: event.target.value === "" ? null : Number(event.target.value) }),
    );
    byId("threshold-side").addEventListener("change", (event) => view.change({ side: event.target.value }));
    byId("threshold").addEventListener("input", (event) =>
      view.change({ at: event.target.value === "" ? null : event.target.valueAsNumber }),
    );
    byId("threshold-slider").addEventListener("input", (event) =>
      view.change({ at: fromSlider(Number(event.target.value)) }),
    );
    byId("filter-column").append(...grouped(() => true));
    byId("filter-column").addEventListener("change", offerTests);
    byId("filter-test").addEventListener("change", offerValue);
    byId("add-filter").addEventListener("click", () => show(byId("new-filter").hidden));
    byId("new-filter").addEventListener("submit", add);
    offerTests();
  }

  // Columns as options, those of one result together.
  function grouped(fits) {
    const of = (kind) =>
      network.columns
        .filter((column) => column.kind === kind && fits(column))
        .map((column) => option(column.id, column.heading));
    const groups = network.kinds.map(([kind, title]) => element("optgroup", { label: title }, ...of(kind)));
    return [...of(undefined), ...groups.filter((group) => group.children.length)];
  }

  function update(state) {
    byId("index").value = state.index ?? "";
    byId("layer").value = state.layer ?? "";
    byId("threshold-side").value = state.side;
    const box = byId("threshold");
    const slider = byId("threshold-slider");
    if (document.activeElement !== box) box.value = state.at ?? "";
    if (document.activeElement !== slider) slider.value = toSlider(state);
    slider.setAttribute("aria-valuetext", state.at === null ? "none" : String(state.at));
    byId("filters").replaceChildren(...state.where.map(chip));
  }

  const indexScale = () => scales.of(network.byId.get(view.state.index));

  function fromSlider(step) {
    if (step === (view.state.side === "ge" ? 0 : STEPS)) return null; // at its end it lets everything by
    return Number(
      indexScale()
        .invert(step / STEPS)
        .toPrecision(3),
    );
  }

  function toSlider(state) {
    if (state.at === null || !indexScale()) return state.side === "ge" ? 0 : STEPS;
    return Math.round(STEPS * indexScale()(state.at));
  }

  function chip(filter, place) {
    const text = inWords(filter);
    const drop = () => {
      view.change({ where: view.state.where.filter((_filter, other) => other !== place) });
      (byId("filters").querySelector("button") ?? byId("add-filter")).focus();
    };
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", "aria-label": `Remove the filter: ${text}`, onclick: drop },
        text,
        element("span", { "aria-hidden": "true", text: " ×" }),
      ),
    );
  }

  function inWords({ column, test, value }) {
    return `${network.byId.get(column).label} ${SIGNS[test]} ${typeof value === "number" ? numbers.short(value) : value}`.trim();
  }

  function show(on) {
    byId("new-filter").hidden = !on;
    byId("add-filter").setAttribute("aria-expanded", String(on));
    if (on) byId("filter-column").focus();
  }

  const chosenColumn = () => network.byId.get(byId("filter-column").value);

  function offerTests() {
    const tests = chosenColumn().isNumber ? NUMBER : WORD;
    byId("filter-test").replaceChildren(...Object.entries(tests).map(([test, words]) => option(test, words)));
    byId("filter-word").replaceChildren(...(chosenColumn().categories ?? []).map((word) => option(word, word)));
    offerValue();
  }

  function offerValue() {
    const takesNumber = ["ge", "le", "eq"].includes(byId("filter-test").value);
    const takesWord = ["is", "not"].includes(byId("filter-test").value);
    byId("filter-number").hidden = byId("filter-number").disabled = !takesNumber;
    byId("filter-word").hidden = byId("filter-word").disabled = !takesWord;
  }

  function add(event) {
    event.preventDefault();
    const test = byId("filter-test").value;
    const value = ["ge", "le", "eq"].includes(test)
      ? byId("filter-number").valueAsNumber
      : ["is", "not"].includes(test)
        ? byId("filter-word").value
        : "";
    view.change({ where: [...view.state.where, { column: chosenColumn().id, test, value }] });
    byId("filter-number").value = "";
  }

  return { start, update };
})();
