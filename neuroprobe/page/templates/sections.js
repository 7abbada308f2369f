// The parts of a card: images, classes, impact, invariance, filter. That of tuning stands in tuning.js.
"use strict";

const sections = (() => {
  const MOST_BARS = 12;
  const NO_RESPONSE = 1e-12;

  // All parts that the page has results for; where a layer was not measured a part says so.
  function all(row, said, images, width) {
    const unit = network.unitOf(row);
    const parts = {
      orientation: said.tuning && (() => tuning.section(row, unit, said.tuning, width)),
      recording: said.images && (() => photographs(unit, said.images, images)),
      class_selectivity:
        said.classes && (() => profile("Class profile", "Mean response (a.u.)", unit, said.classes, width, 1)),
      unit_impact: said.impact && (() => impact(row, unit, said.impact, width)),
      shift_invariance: said.shifts && (() => invariance(unit, said.shifts, width)),
    };
    const present = Object.entries(parts).filter(([kind]) => network.kinds.some(([known]) => known === kind));
    const drawn = present.map(([kind, draw]) =>
      draw ? draw() : section(network.titleOf(kind), quiet("Not measured in this layer.")),
    );
    return said.filters ? [...drawn, filter(unit, said.filters)] : drawn;
  }

  function section(title, ...children) {
    return element("section", {}, element("h3", { text: title }), ...children);
  }

  const quiet = (text) => element("p", { class: "quiet", text });
  const caption = (...words) => element("figcaption", { class: "quiet" }, ...words);
  const figure = (...children) => element("figure", {}, ...children);

  function photographs(unit, said, images) {
    const title = "Images that drive it most";
    const responses = arrays.row(said.responses, unit).filter((response) => response > NO_RESPONSE);
    if (!responses.length) return section(title, quiet("No response to any image."));
    const decimals = numbers.decimalsFor(responses[0]);
    const shown = Array.from(arrays.row(said.numbers, unit)).slice(0, responses.length);
    const items = shown.map((number, place) => {
      const [file, name] = called(number, images);
      const alt = `Image ${number}${name ? `, ${name}` : ""}`;
      const picture = pictures.marked(number, alt, Boolean(images?.about[number]), mark(said, unit, place));
      const response = element("b", { text: numbers.write(responses[place], decimals) });
      const tip = [file, name, `image ${number}`].filter(Boolean).join(", ");
      return element(
        "li",
        { "data-tip": tip },
        picture,
        response,
        element("span", { class: "quiet", text: name || `image ${number}` }),
      );
    });
    const kinds = new Set(shown.map((_number, place) => mark(said, unit, place)?.[0]));
    const frame = kinds.has("rect") ? " Frame: what the place of its map sees that is largest." : "";
    const ring = kinds.has("circle") ? " Ring: where its map is largest." : "";
    const absent = images ? "" : " Their pictures are not here: the page was made without the images.";
    return section(
      title,
      figure(element("ul", { class: "photographs" }, ...items), caption(`With its response.${frame}${ring}${absent}`)),
    );
  }

  // The file and the class of an image, where they are known.
  function called(number, images) {
    const [label, file] = images?.about[number] ?? [];
    return [file, label === undefined || label === null ? "" : (images.classes?.[label] ?? `class ${label}`)];
  }

  // Where a unit's map is largest: a frame round what that place of the map sees, in shares of the picture; a ring where
  // that is not known, or is all of it.
  function mark(said, unit, place) {
    if (!said.places) return null;
    const [rows, columns] = said.grid;
    const [row, column] = arrays.row(said.places, unit).subarray(2 * place, 2 * place + 2);
    const frame = said.fields && { ...sees(said.fields.rows, row, "y"), ...sees(said.fields.columns, column, "x") };
    if (frame && (frame.width < 1 || frame.height < 1)) return ["rect", frame];
    const radius = Math.max(0.07, Math.min(0.12, 0.5 / Math.max(rows, columns)));
    return ["circle", { cx: (column + 0.5) / columns, cy: (row + 0.5) / rows, r: radius }];
  }

  // From where to where a place sees along one axis (ReceptiveFields has the same in Python).
  function sees(span, place, axis) {
    const start = Math.max(0, span.last_start - span.stride * (span.places - 1 - place)) / span.pixels;
    const end = Math.min(span.pixels, span.first_end + span.stride * place) / span.pixels;
    return { [axis]: start, [axis === "x" ? "width" : "height"]: end - start };
  }

  // Values by class: the largest first for sign 1, the lowest for -1.
  function ranked(unit, said, sign) {
    const codes = said.strongest ? arrays.row(said.strongest, unit) : null;
    const values = Array.from(arrays.row(said.values, unit));
    const entries = values.map((value, place) => [said.classes[codes ? codes[place] : place], value]);
    return entries.filter(([, value]) => Number.isFinite(value)).sort((a, b) => sign * (b[1] - a[1]));
  }

  function profile(title, axis, unit, said, width, sign) {
    const shown = ranked(unit, said, sign).slice(0, MOST_BARS);
    if (!shown.length) return section(title, quiet("No values for this unit."));
    const words = `${title}: ${shown
      .slice(0, 5)
      .map(([name, value]) => `${name} ${numbers.short(value)}`)
      .join(", ")}.`;
    const made = section(title, figure(charts.bars(shown, width, axis, words)));
    if (said.classes.length > shown.length) {
      const which = `The ${shown.length} of ${numbers.grouped(said.classes.length)} classes with the ${sign > 0 ? "largest" : "lowest"} value.`;
      made.querySelector("figure").append(caption(which));
    }
    return made;
  }

  function impact(row, unit, said, width) {
    const [loss, accuracy] = ["delta_loss", "delta_accuracy"].map((id) => network.byId.get(id).values[row]);
    const estimated = network.byId.get("estimated")?.text(row) === "yes";
    const made = profile("Impact when ablated", "Change of the class's accuracy", unit, said, width, -1);
    const exact = `Loss ${signed(loss)} nats, accuracy ${signed(accuracy)}, with this unit held, alone.`;
    made.querySelector("h3").after(
      element("p", {
        text: estimated ? `Loss ${signed(loss)} nats, estimated from gradients: the unit was not held.` : exact,
      }),
    );
    return made;
  }

  const signed = (value) => (value > 0 ? "+" : "") + numbers.short(value);

  function invariance(unit, said, width) {
    const title = "Shift invariance";
    const { axis, shift } = said.axes;
    const values = Array.from(arrays.row(said.values, unit));
    if (!values.some(Number.isFinite))
      return section(title, quiet("The response does not vary: there is nothing to correlate."));
    const along = axis.map(
      (name, i) =>
        `along ${name} ${shift.map((step, j) => `${step}: ${numbers.short(values[i * shift.length + j])}`).join(", ")}`,
    );
    const chart = charts.shifts(
      { axis, shift, values },
      width,
      180,
      `Correlation of the response before and after a shift in pixels, ${along.join("; ")}.`,
    );
    const keys = axis.map((name, i) => element("span", { class: `key s${i}`, text: `along ${name}` }));
    return section(
      title,
      figure(chart, caption(...keys, " Correlation over images with the response to the image where it was.")),
    );
  }

  function filter(unit, said) {
    const [, height, width, colours] = said.shape;
    const weights = Array.from(arrays.row(said, unit));
    const [low, high] = d3.extent(weights).map(numbers.short);
    const picture = pictures.filter(
      weights,
      height,
      width,
      colours,
      `Filter of ${height} by ${width} weights, from ${low} to ${high}`,
    );
    const reads =
      colours === 3
        ? "Red, green and blue as the network reads them."
        : colours > 1
          ? "Mean over the channels it reads."
          : "";
    return section(
      "First-layer filter",
      figure(
        picture,
        caption(`${height} × ${width} × ${colours} weights, from ${low} to ${high}; mid grey is zero. ${reads}`),
      ),
    );
  }

  return { all, section, quiet, caption, figure };
})();
