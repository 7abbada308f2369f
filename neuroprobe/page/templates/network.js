// The network as the results have it: its layers, its units in one row each, and their columns.
"use strict";

class Column {
  constructor({ values, ...said }) {
    Object.assign(this, said);
    this.packed = values;
  }

  // A number a unit, NaN where there is none; of a category the place of its word, -1 where there is none.
  get values() {
    return arrays.unpack(this.packed);
  }

  get isNumber() {
    return this.type === "number";
  }

  has(row) {
    return this.isNumber ? !Number.isNaN(this.values[row]) : this.values[row] >= 0;
  }

  // Whether any unit has a value.
  get isKnown() {
    return this.isNumber ? this.extent !== null : this.values.some((code) => code >= 0);
  }

  // Smallest and largest finite value; null where there is none.
  get extent() {
    if (this.known === undefined) {
      let low = Infinity;
      let high = -Infinity;
      for (const value of this.values) {
        if (value < low && value > -Infinity) low = value;
        if (value > high && value < Infinity) high = value;
      }
      this.known = low <= high ? [low, high] : null;
    }
    return this.known;
  }

  get decimals() {
    if (this.digits === undefined) {
      const sizes = Float32Array.from(this.values, Math.abs).filter(Number.isFinite).sort();
      this.digits = this.whole ? 0 : numbers.decimalsFor(sizes[Math.floor(0.9 * (sizes.length - 1))]);
    }
    return this.digits;
  }

  text(row) {
    if (this.isNumber) return numbers.write(this.rounded(row), this.decimals);
    return this.has(row) ? this.categories[this.values[row]] : "–";
  }

  // As it is written; an angle that rounds to the full circle is none.
  rounded(row) {
    const value = this.values[row];
    return this.scale === "cyclic" ? Number(value.toFixed(this.decimals)) % this.domain[1] : value;
  }

  get heading() {
    return this.unit ? `${this.label} (${this.unit})` : this.label;
  }
}

const network = (() => {
  const made = { layers: [], columns: [], byId: new Map(), size: 0 };

  function start(said) {
    Object.assign(made, said);
    let first = 0;
    made.layers.forEach((layer, number) => {
      Object.assign(layer, { number, first });
      first += layer.units;
    });
    made.size = first;
    made.columns = [layerColumn(), unitColumn(), ...said.columns.map((column) => new Column(column))];
    made.byId = new Map(made.columns.map((column) => [column.id, column]));
    made.kinds = [...new Map(said.results.map((result) => [result.kind, result.title]))]; // [kind, title], each once
    return made;
  }

  function perUnit(type, value) {
    const values = new type(made.size);
    for (const layer of made.layers)
      for (let unit = 0; unit < layer.units; unit++) values[layer.first + unit] = value(layer, unit);
    return { values };
  }

  function layerColumn() {
    const categories = made.layers.map((layer) => layer.name);
    const values = perUnit(Uint32Array, (layer) => layer.number);
    return new Column({
      id: "layer",
      label: "Layer",
      unit: "",
      type: "category",
      categories,
      values,
      meaning: "Where responses are read",
    });
  }

  function unitColumn() {
    const values = perUnit(Float32Array, (_layer, unit) => unit);
    return new Column({
      id: "unit",
      label: "Unit",
      unit: "",
      type: "number",
      whole: true,
      values,
      meaning: "Number within the layer, from 0",
    });
  }

  const layerOf = (row) => made.layers[made.byId.get("layer").values[row]];
  const unitOf = (row) => row - layerOf(row).first;
  const nameOf = (row) => `${layerOf(row).name}:${unitOf(row)}`;

  // The row of a unit by its name, "layer:unit"; null where there is no such unit.
  function rowOf(name) {
    const [, layerName, unit] = /^(.*):(\d+)$/s.exec(name) ?? [];
    const layer = made.layers.find((each) => each.name === layerName);
    return layer && Number(unit) < layer.units ? layer.first + Number(unit) : null;
  }

  const titleOf = (kind) => made.results.find((result) => result.kind === kind).title;

  return Object.assign(made, { start, titleOf, layerOf, unitOf, nameOf, rowOf });
})();
