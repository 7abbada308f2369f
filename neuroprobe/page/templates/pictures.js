// Small pictures: tuning curves in a row of the table, stimuli from their sheets, photographs, filters.
"use strict";

const pictures = (() => {
  // A unit's tuning curve, from zero to its peak, as small as a word.
  function spark(row) {
    const curve = arrays.row(network.curves, row);
    const width = 56;
    const height = 22;
    const made = svg("svg", {
      class: "spark",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "aria-hidden": "true",
    });
    if (curve[0] === 255) return made;
    const x = d3.scaleLinear([0, curve.length], [1, width - 1]);
    const y = d3.scaleLinear([0, 254], [height - 1, 1]);
    const closed = [...curve, curve[0]]; // 180 degrees is 0 again
    made.append(
      svg("path", { class: "under", d: d3.area((_v, i) => x(i), height - 1, y)(closed) }),
      svg("path", { class: "curve", d: d3.line((_v, i) => x(i), y)(closed) }),
    );
    return made;
  }

  // An orientation as a bar at that angle, on its colour.
  function glyph(degrees) {
    const turn = (-degrees * Math.PI) / 180;
    const dx = 5 * Math.cos(turn);
    const dy = 5 * Math.sin(turn);
    const disc = svg("circle", { cx: 8, cy: 8, r: 7, fill: scales.orientationColour(degrees) });
    const bar = svg("line", { x1: 8 - dx, y1: 8 - dy, x2: 8 + dx, y2: 8 + dy });
    return svg(
      "svg",
      { class: "glyph", width: 16, height: 16, viewBox: "0 0 16 16", "aria-hidden": "true" },
      disc,
      bar,
    );
  }

  // A share of one as a bar.
  function meter(share) {
    const bar = svg("rect", { class: "bar", width: 36 * Math.min(1, Math.max(0, share)), height: 5, rx: 1 });
    return svg(
      "svg",
      { class: "meter", width: 36, height: 5, "aria-hidden": "true" },
      svg("rect", { class: "track", width: 36, height: 5, rx: 1 }),
      bar,
    );
  }

  // The image that drives a unit most.
  function first(row) {
    const number = arrays.unpack(network.images)[row];
    return number < 0 ? "" : photograph(number, "");
  }

  function photograph(number, alt) {
    const src = `images/photo-${number}.${network.photographs.ending}`;
    const made = element("img", { src, alt, loading: "lazy", decoding: "async" });
    made.addEventListener("error", () => made.replaceWith(absent(number)));
    return made;
  }

  function absent(number) {
    const said = `The picture of image ${number} is not here`;
    return element("span", { class: "absent", role: "img", "aria-label": said, "data-tip": said, text: "?" });
  }

  // A photograph with a mark on it: ["rect" or "circle", its place in shares of the picture].
  function marked(number, alt, isHere, mark) {
    const made = element("span", { class: "photograph" }, isHere ? photograph(number, alt) : absent(number));
    if (!mark) return made;
    const [name, place] = mark;
    const over = svg("svg", {
      class: "mark-over",
      viewBox: "0 0 1 1",
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    });
    over.append(svg(name, { class: "halo", ...place }), svg(name, place));
    made.append(over);
    return made;
  }

  // A stimulus from its sheet; words where there are no pictures of it.
  function stimulus(number, sheets, label) {
    const made = element("span", { class: "stimulus", role: "img", "aria-label": label });
    if (!sheets)
      return element("span", { class: "absent", role: "img", "aria-label": `${label} (no picture)`, text: "?" });
    const { columns, rows, name } = sheets,
      tile = number % (columns * rows);
    made.style.backgroundImage = `url("images/${name}-${Math.floor(number / (columns * rows))}.png")`;
    made.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
    made.style.backgroundPosition = `${(100 * (tile % columns)) / (columns - 1)}% ${(100 * Math.floor(tile / columns)) / (rows - 1)}%`;
    const times = Math.max(1, Math.floor(64 / Math.max(sheets.width, sheets.height))); // whole pixels, or patterns alias
    made.style.width = `${times * sheets.width}px`;
    made.style.height = `${times * sheets.height}px`;
    return made;
  }

  // A filter's weights as a picture: mid grey is zero, in colours where it reads three.
  function filter(weights, height, width, colours, label) {
    const made = element("canvas", { width, height, class: "filter", role: "img", "aria-label": label });
    const largest = d3.max(weights, Math.abs) || 1;
    const pixels = new ImageData(width, height);
    for (let place = 0; place < height * width; place++) {
      const here = weights.slice(place * colours, (place + 1) * colours);
      const [red, green, blue] = colours === 3 ? here : Array(3).fill(d3.mean(here));
      pixels.data.set([...[red, green, blue].map((weight) => 127.5 * (1 + weight / largest)), 255], 4 * place);
    }
    made.getContext("2d").putImageData(pixels, 0, 0);
    return made;
  }

  return { spark, glyph, meter, first, marked, stimulus, filter };
})();
