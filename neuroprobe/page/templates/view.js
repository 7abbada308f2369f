// What is looked at: index, threshold, layer, filters, order, columns and the open unit. It stands in the address, so
// that any view is a link.
"use strict";

const view = (() => {
  const TESTS = ["ge", "le", "eq", "is", "not", "known", "missing"];
  const state = { index: null, side: "ge", at: null, layer: null, where: [], sort: null, columns: [], unit: null };
  const listeners = [];
  const SETTLE = 400; // milliseconds
  let waiting = null; // for the address to be brought up to date

  function standard() {
    const known = network.columns.filter((column) => column.isKnown);
    const wanted = known.filter((column) => column.shown);
    const shown = (wanted.length ? wanted : known.filter((column) => column.kind)).map((column) => column.id);
    const numeric = known.filter((column) => column.isNumber && column.id !== "unit");
    const index = numeric.find((column) => column.shown) ?? numeric[0];
    return {
      index: index?.id ?? null,
      side: "ge",
      at: null,
      layer: null,
      where: [],
      sort: null,
      columns: shown,
      unit: null,
    };
  }

  function start() {
    Object.assign(state, read());
    window.addEventListener("popstate", moved);
    window.addEventListener("hashchange", moved);
  }

  // Change what is looked at; opening and closing a unit can be gone back from.
  function change(patch) {
    const moved = "unit" in patch && patch.unit !== state.unit;
    if (moved) settle(); // so that what is gone back to is as it was left
    tell(patch);
    if (moved) history.pushState(null, "", `#${written()}`);
    else waiting ??= setTimeout(settle, SETTLE);
  }

  // Bring the address up to date: not at every step of a slider, which browsers forbid.
  function settle() {
    if (waiting === null) return;
    clearTimeout(waiting);
    waiting = null;
    history.replaceState(null, "", `#${written()}`);
  }

  function moved() {
    clearTimeout(waiting);
    waiting = null;
    tell(read());
  }

  function tell(patch) {
    const before = { ...state };
    Object.assign(state, patch);
    for (const listener of listeners) listener(state, before);
  }

  function written(of = state) {
    const usual = standard();
    const hash = new URLSearchParams();
    if (of.index !== usual.index) hash.set("index", of.index);
    if (of.at !== null) hash.set(of.side === "ge" ? "min" : "max", of.at);
    if (of.layer !== null) hash.set("layer", network.layers[of.layer].name);
    for (const { column, test, value } of of.where) hash.append("where", [column, test, value].join(" ").trim());
    if (of.sort) hash.set("sort", (of.sort.down ? "-" : "") + of.sort.column);
    if (of.columns.join() !== usual.columns.join()) hash.set("columns", of.columns.join(" "));
    if (of.unit !== null) hash.set("unit", network.nameOf(of.unit));
    return hash.toString();
  }

  // Read the address; what it says of columns or units that are not here is left out.
  function read() {
    const made = standard();
    const hash = new URLSearchParams(location.hash.slice(1));
    const index = network.byId.get(hash.get("index"));
    if (index?.isNumber) made.index = index.id;
    for (const [key, side] of [
      ["min", "ge"],
      ["max", "le"],
    ]) {
      if (isNumber(hash.get(key))) Object.assign(made, { side, at: Number(hash.get(key)) });
    }
    const layer = network.layers.findIndex((each) => each.name === hash.get("layer"));
    if (layer >= 0) made.layer = layer;
    made.where = hash.getAll("where").map(parsed).filter(Boolean);
    const sort = hash.get("sort") ?? "";
    const down = sort.startsWith("-");
    if (network.byId.has(sort.slice(down))) made.sort = { column: sort.slice(down), down };
    if (hash.has("columns"))
      made.columns = hash
        .get("columns")
        .split(" ")
        .filter((id) => network.byId.has(id));
    if (hash.has("unit")) made.unit = network.rowOf(hash.get("unit"));
    return made;
  }

  const isNumber = (text) => text !== null && text.trim() !== "" && Number.isFinite(Number(text));

  // "si ge 0.5" as a filter; null where it is none.
  function parsed(text) {
    const column = network.columns
      .filter((each) => text.startsWith(`${each.id} `))
      .sort((a, b) => b.id.length - a.id.length)[0];
    if (!column) return null;
    const [, test, value] = /^(\S+) ?(.*)$/s.exec(text.slice(column.id.length + 1)) ?? [];
    if (!TESTS.includes(test)) return null;
    if (["ge", "le", "eq"].includes(test))
      return column.isNumber && isNumber(value) ? { column: column.id, test, value: Number(value) } : null;
    if (["is", "not"].includes(test))
      return !column.isNumber && column.categories.includes(value) ? { column: column.id, test, value } : null;
    return { column: column.id, test, value: "" };
  }

  // The address of this page with one unit open, and nothing else said.
  function linkTo(row) {
    return `${location.href.split("#")[0]}#${written({ ...standard(), unit: row })}`;
  }

  return { state, start, change, linkTo, listen: (listener) => listeners.push(listener) };
})();
