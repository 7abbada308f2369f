// The data of the page: scripts that deliver a part each, loaded when it is asked for. (From disk a page may load
// scripts of its own folder, but read no other file.)
"use strict";

const parts = (() => {
  const delivered = new Map(); // name -> what came
  const asked = new Map(); // name -> promise of it

  function load(name) {
    if (!asked.has(name)) asked.set(name, delivered.has(name) ? Promise.resolve(delivered.get(name)) : fetched(name));
    return asked.get(name);
  }

  function fetched(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `data/${name}.js`;
      script.onload = () => (delivered.has(name) ? resolve(delivered.get(name)) : reject(missing(name)));
      script.onerror = () => reject(missing(name));
      document.head.append(script);
    });
  }

  function missing(name) {
    asked.delete(name); // it may be there next time
    return new Error(`data/${name}.js is missing or broken: copy the whole folder of this page, or make it again`);
  }

  return { deliver: (name, value) => delivered.set(name, value), load, given: (name) => delivered.get(name) };
})();

const deliver = parts.deliver; // called by the data files

const arrays = (() => {
  const KINDS = {
    uint8: Uint8Array,
    uint16: Uint16Array,
    uint32: Uint32Array,
    int32: Int32Array,
    float32: Float32Array,
  };
  const LEVELS = 65534;
  const MISSING = 65535; // as encoding.py writes them

  // A packed array: its values in C order.
  function unpack(packed) {
    if (packed.values) return packed.values;
    const text = atob(packed.data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    packed.data = null; // it takes the room of the numbers once more
    return (packed.values = new KINDS[packed.type](bytes.buffer));
  }

  // One unit's row of a packed array.
  function row(packed, unit) {
    const width = packed.shape.slice(1).reduce((a, b) => a * b, 1);
    return unpack(packed).subarray(unit * width, (unit + 1) * width);
  }

  // One unit's row of what scaled() wrote: numbers, NaN where one is missing.
  function scaledRow(scaled, unit) {
    const low = unpack(scaled.low)[unit];
    const span = unpack(scaled.high)[unit] - low;
    return Array.from(row(scaled.levels, unit), (level) => (level === MISSING ? NaN : low + (span * level) / LEVELS));
  }

  return { unpack, row, scaledRow };
})();
