// The network as a strip of layers, each with the distribution of the index: grey all units, in colour those that pass.
"use strict";

const strip = (() => {
  const BINS = 40;
  const HEIGHT = 150;
  const PAD = 8;
  const NAME = 22; // letters of a layer's name
  const LEVEL = 12; // of these names have room side by side
  let upright = false; // whether names stand, for want of room
  let drawn = null; // what the bins were made for

  function start() {
    byId("strip").addEventListener("keydown", move);
    const longest = d3.max(network.layers, (layer) => layer.name.length);
    upright = longest > LEVEL;
    byId("layers").classList.toggle("upright", upright);
    byId("layers").style.setProperty("--letters", Math.min(NAME, longest));
  }

  function update(state) {
    const column = network.byId.get(state.index);
    const scale = column ? scales.of(column) : null;
    byId("meaning").textContent = column ? `${column.heading}: ${column.meaning}.` : "";
    byId("strip").hidden = !scale;
    byId("no-numbers").hidden = Boolean(scale);
    if (!scale) {
      byId("no-numbers").textContent = column
        ? `No unit has a number for ${column.label}.`
        : "There are no numbers to show by layer.";
      return;
    }
    if (drawn?.column !== column) drawn = { column, scale, ...binned(column, scale) };
    byId("axis").replaceChildren(axis(column, scale));
    redraw(byId("layers"), ...network.layers.map((layer) => button(layer, state)));
  }

  // Bin every unit once: the bin of each, and each layer's quartiles. (On a circle nothing lies in the middle.)
  function binned(column, scale) {
    const bins = new Int8Array(network.size).fill(-1);
    column.values.forEach((value, row) => {
      if (Number.isFinite(value)) bins[row] = Math.min(BINS - 1, Math.max(0, Math.floor(scale(value) * BINS)));
    });
    const quartiles = network.layers.map(({ first, units }) => {
      const known = column.values
        .subarray(first, first + units)
        .filter(Number.isFinite)
        .sort();
      return known.length && column.scale !== "cyclic"
        ? [0.25, 0.5, 0.75].map((share) => d3.quantileSorted(known, share))
        : null;
    });
    return { bins, quartiles };
  }

  function button(layer, state) {
    const { all, passing, passes } = counts(layer);
    const chosen = state.layer === layer.number;
    const quartiles = drawn.quartiles[layer.number];
    const median = quartiles ? `, median ${drawn.column.label} ${numbers.short(quartiles[1])}` : "";
    const label = `${layer.name}: ${numbers.count(layer.units, "unit")}${median}, ${numbers.grouped(passes)} pass the filters`;
    return element(
      "button",
      {
        type: "button",
        class: "layer",
        "aria-pressed": String(chosen),
        "aria-label": label,
        "data-tip": label,
        tabindex: layer.number === (state.layer ?? 0) ? 0 : -1,
        "data-key": layer.number,
        onclick: () => view.change({ layer: chosen ? null : layer.number }),
      },
      violin(all, passing, quartiles, state),
      element("span", { class: "name" }, ...(upright ? [shorten(layer.name, NAME)] : broken(layer.name))),
      element("span", { class: "passes", text: numbers.grouped(passes) }),
      passes < layer.units ? element("span", { class: "quiet", text: `of ${numbers.grouped(layer.units)}` }) : null,
    );
  }

  function counts({ first, units }) {
    const all = new Uint32Array(BINS);
    const passing = new Uint32Array(BINS);
    let passes = 0;
    for (let row = first; row < first + units; row++) {
      passes += choice.passes[row];
      if (drawn.bins[row] < 0) continue;
      all[drawn.bins[row]]++;
      passing[drawn.bins[row]] += choice.passes[row];
    }
    return { all, passing, passes };
  }

  function violin(all, passing, quartiles, state) {
    const made = svg("svg", {
      class: "violin",
      viewBox: `0 0 60 ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    const shape = smooth(all);
    const most = d3.max(shape) || 1;
    const outline = d3
      .area()
      .curve(d3.curveMonotoneY)
      .y((_count, bin) => y((bin + 0.5) / BINS))
      .x0((count) => 30 - (26 * count) / most)
      .x1((count) => 30 + (26 * count) / most);
    for (const tick of scales.ticks(drawn.scale, drawn.column))
      made.append(svg("line", { class: "rule", x1: 0, x2: 60, y1: y(drawn.scale(tick)), y2: y(drawn.scale(tick)) }));
    const coloured = svg("path", { class: "passing", d: outline(smooth(passing)) });
    coloured.style.clipPath = beyond(state);
    if (d3.sum(all)) made.append(svg("path", { class: "all", d: outline(shape) }), coloured);
    if (quartiles) {
      const [low, middle, high] = quartiles.map((value) => y(drawn.scale(value)));
      made.append(svg("line", { class: "quartiles", x1: 30, x2: 30, y1: low, y2: high }));
      made.append(svg("line", { class: "median", x1: 22, x2: 38, y1: middle, y2: middle }));
    }
    if (state.at !== null) {
      const at = y(Math.min(1, Math.max(0, drawn.scale(state.at))));
      made.append(svg("line", { class: "at", x1: 0, x2: 60, y1: at, y2: at }));
    }
    return made;
  }

  const y = (share) => HEIGHT - PAD - share * (HEIGHT - 2 * PAD);

  // Counts spread over neighbouring bins, so that a layer of few units is no row of beads.
  function smooth(counts) {
    let spread = Array.from(counts);
    for (let time = 0; time < 3; time++)
      spread = spread.map((count, bin) => ((spread[bin - 1] ?? count) + 2 * count + (spread[bin + 1] ?? count)) / 4);
    return spread;
  }

  // The part of the strip on the right side of the threshold: what is smoothed must not reach over it.
  function beyond(state) {
    if (state.at === null) return "none";
    const at = y(Math.min(1, Math.max(0, drawn.scale(state.at))));
    return state.side === "ge"
      ? `polygon(0 0, 60px 0, 60px ${at}px, 0 ${at}px) view-box`
      : `polygon(0 ${at}px, 60px ${at}px, 60px ${HEIGHT}px, 0 ${HEIGHT}px) view-box`;
  }

  function axis(column, scale) {
    const made = svg("svg", { class: "axis", width: 46, height: HEIGHT, "aria-hidden": "true" });
    for (const tick of scales.ticks(scale, column)) {
      made.append(
        svg("text", { x: 42, y: y(scale(tick)), dy: "0.32em", "text-anchor": "end", text: numbers.short(tick) }),
      );
    }
    return made;
  }

  // A name that may break after its dots and slashes.
  function broken(name) {
    return name.split(/(?<=[./_:])/).flatMap((part, place) => (place ? [element("wbr"), part] : [part]));
  }

  // Left and right arrows move from layer to layer.
  function move(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const here = event.target.closest?.("[data-key]");
    const next = here && step && byId("strip").querySelector(`[data-key="${Number(here.dataset.key) + step}"]`);
    if (!next) return;
    event.preventDefault();
    here.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  return { start, update };
})();
