// The part of a card on orientation: the tuning curve, the responses behind it, the stimuli that drive the unit most.
"use strict";

const tuning = (() => {
  const UNITS = {
    frequency: "cycles/pixel",
    orientation: "deg",
    phase: "deg",
    width: "pixels",
    length: "pixels",
    position: "pixels",
  };
  const SHORT = { orientation: "°", frequency: " c/px", phase: "° phase" };
  const twoDigits = (value) => (value >= 1 ? numbers.short(value) : d3.format(".2~g")(value)).replace("-", "−");

  function section(row, unit, said, width) {
    const curve = curveOf(row, unit, said);
    if (!(d3.max(curve.responses) > 0))
      return sections.section("Orientation tuning", sections.quiet("No response to any stimulus."));
    const figures = [
      curves(curve, said, unit, width),
      said.row ? plane(unit, said, width) : null,
      bestStimuli(unit, said),
    ];
    return sections.section("Orientation tuning", ...figures);
  }

  function curveOf(row, unit, said) {
    const number = (id) => network.byId.get(id)?.values[row] ?? NaN;
    const fit = fitted(...["trough", "amplitude", "concentration", "preferred"].map((name) => number(`fit_${name}`)));
    return {
      degrees: said.axes.orientation,
      responses: Array.from(arrays.row(said.curve, unit)),
      fit,
      r2: number("fit_r2"),
      blank: number("blank_response"),
    };
  }

  // The von Mises curve (as neuroprobe.curves has it), every three degrees; empty where there is none.
  function fitted(...parameters) {
    if (!parameters.every(Number.isFinite)) return [];
    const [trough, amplitude, sharpness, preferred] = parameters;
    const floor = Math.exp(-2 * sharpness);
    return d3.range(0, 181, 3).map((angle) => {
      const bare = Math.exp(sharpness * (Math.cos((2 * (angle - preferred) * Math.PI) / 180) - 1));
      return [angle, trough + (amplitude * (bare - floor)) / (1 - floor)];
    });
  }

  function curves(curve, said, unit, width) {
    const side = Math.max(150, Math.min(210, 0.4 * width));
    const wide = width > 330 ? width - side - 8 : width; // beside one another where there is room
    const words = inWords(curve);
    const both = element(
      "div",
      { class: "row" },
      tuningCharts.line(curve, wide, Math.min(200, side), words),
      tuningCharts.polar(curve, side, `The same in polar form. ${words}`),
    );
    const at = said.row
      ? `At the preferred ${said.row}, ${numbers.short(said.axes[said.row][preferredRow(said, unit)])} ${UNITS[said.row] ?? ""}. `
      : "";
    const line = curve.fit.length ? "line: von Mises fit" : "dots: no fit";
    return sections.figure(both, sections.caption(`${at}Circles: measured; ${line}; dashes: blank.`));
  }

  function inWords({ degrees, responses, fit, r2 }) {
    const at = (place) => `${numbers.short(responses[place])} at ${numbers.short(degrees[place])} degrees`;
    const fitting = fit.length ? `fit with R² ${numbers.short(r2)}` : "no fit";
    return `Tuning curve: largest response ${at(d3.maxIndex(responses))}, smallest ${at(d3.minIndex(responses))}; ${fitting}.`;
  }

  const preferredRow = (said, unit) => arrays.unpack(said.preferred)[unit];

  function plane(unit, said, width) {
    const [degrees, rows] = [said.axes.orientation, said.axes[said.row]];
    const values = arrays.scaledRow(said.plane, unit);
    const best = d3.maxIndex(values);
    const where = `${numbers.short(rows[Math.floor(best / degrees.length)])} ${UNITS[said.row] ?? ""} and ${numbers.short(degrees[best % degrees.length])} degrees`;
    const words = `Map of ${said.row} by orientation: largest ${numbers.short(values[best])} at ${where}.`;
    const name = said.row[0].toUpperCase() + said.row.slice(1);
    const chart = tuningCharts.heat(
      { degrees, rows, rowLabel: name, values, preferred: preferredRow(said, unit) },
      width,
      words,
    );
    const unitOfRow = UNITS[said.row] ? ` (${UNITS[said.row]})` : "";
    return sections.figure(
      chart,
      sections.caption(
        `Response by ${said.row}${unitOfRow} and orientation, ${said.pooled}. Framed: the ${said.row} of the largest single response.`,
      ),
    );
  }

  function bestStimuli(unit, said) {
    const sheets = network.sheets[said.sheets];
    const responses = arrays.row(said.best.responses, unit);
    const decimals = numbers.decimalsFor(responses[0]);
    const list = element("ul", { class: "stimuli" });
    arrays.row(said.best.stimuli, unit).forEach((stimulus, place) => {
      const words = parameters(stimulus, said.axes);
      const lines = words.slice(0, 2).map((text) => element("span", { class: "quiet", text }));
      const picture = pictures.stimulus(stimulus, sheets, `Stimulus: ${words.join(", ")}`);
      list.append(
        element(
          "li",
          { "data-tip": words.join(", ") },
          picture,
          element("b", { text: numbers.write(responses[place], decimals) }),
          ...lines,
        ),
      );
    });
    const cropped = sheets?.cropped ? ` Shown are the middle ${sheets.width} by ${sheets.height} pixels.` : "";
    return sections.figure(list, sections.caption(`What drives it most, with its response.${cropped}`));
  }

  // The parameters of a stimulus by its number: the axes in C order, the last fastest. Orientation is named first.
  function parameters(stimulus, axes) {
    const found = [];
    for (const [name, values] of Object.entries(axes).reverse()) {
      found.unshift([name, values[stimulus % values.length]]);
      stimulus = Math.floor(stimulus / values.length);
    }
    const order = Object.keys(SHORT);
    const place = ([name]) => (order.includes(name) ? order.indexOf(name) : order.length);
    const words = ([name, value]) =>
      name in SHORT ? `${twoDigits(value)}${SHORT[name]}` : `${name} ${twoDigits(value)}`;
    return found.sort((a, b) => place(a) - place(b)).map(words);
  }

  return { section, fitted };
})();
