// Which units are shown, in which order, and which of them are selected.
"use strict";

const choice = (() => {
  const made = { rows: new Uint32Array(0), passes: new Uint8Array(0), selected: new Set() };

  const TESTS = {
    ge: (column, value) => (row) => column.values[row] >= Math.fround(value),
    le: (column, value) => (row) => column.values[row] <= Math.fround(value),
    eq: (column, value) => (row) => column.values[row] === Math.fround(value),
    is: (column, value) => holds(column, value, true),
    not: (column, value) => holds(column, value, false),
    known: (column) => (row) => column.has(row),
    missing: (column) => (row) => !column.has(row),
  };

  function holds(column, word, wanted) {
    const code = column.categories.indexOf(word);
    return (row) => (column.values[row] === code) === wanted;
  }

  // Whether other units, or the same in another order, are to be shown than before.
  function isOther(state, before) {
    return !before || ["index", "side", "at", "layer", "where", "sort"].some((key) => state[key] !== before[key]);
  }

  function tests(state) {
    const all = [...state.where];
    if (state.at !== null && state.index) all.push({ column: state.index, test: state.side, value: state.at });
    return all.map(({ column, test, value }) => TESTS[test](network.byId.get(column), value));
  }

  // Go through all units: those that pass the filters, and of these the ones of the chosen layer, in order.
  function update(state) {
    const chosen = tests(state);
    const layer = state.layer === null ? null : network.layers[state.layer];
    const rows = [];
    made.passes = new Uint8Array(network.size);
    for (let row = 0; row < network.size; row++) {
      if (!chosen.every((test) => test(row))) continue;
      made.passes[row] = 1;
      if (!layer || (row >= layer.first && row < layer.first + layer.units)) rows.push(row);
    }
    made.rows = Uint32Array.from(rows);
    if (state.sort) sort(made.rows, network.byId.get(state.sort.column), state.sort.down);
  }

  // Units without a value come last, whichever way; equal ones stay in the order of the network.
  function sort(rows, column, down) {
    const rank = column.isNumber || column.id === "layer" ? column.values : alphabetical(column);
    const sign = down ? -1 : 1;
    rows.sort((a, b) => column.has(b) - column.has(a) || (column.has(a) && sign * (rank[a] - rank[b])) || a - b);
  }

  function alphabetical(column) {
    const order = column.categories
      .map((word, code) => [word, code])
      .sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true }));
    const places = new Map(order.map(([, code], place) => [code, place]));
    return Array.from(column.values, (code) => places.get(code) ?? -1);
  }

  function select(rows, on) {
    for (const row of rows) on ? made.selected.add(row) : made.selected.delete(row);
  }

  return Object.assign(made, { isOther, update, select });
})();
