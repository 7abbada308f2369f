// From a column's values to places along an axis, and which of them are marked.
"use strict";

const scales = (() => {
  // A scale from a column's values to [0, 1]; null where no unit has a number.
  function of(column) {
    const reach = column.domain ?? column.extent;
    if (!reach) return null;
    const domain = reach[0] < reach[1] ? reach : [reach[0] - 0.5, reach[1] + 0.5];
    const inside = [0.04, 0.96]; // room beyond the ends, where no round number ends the axis
    if (column.scale === "log" && domain[0] > 0) return d3.scaleLog(domain, inside);
    if (column.scale === "symlog") return d3.scaleSymlog(domain, inside).constant(typicalSize(column));
    return column.domain ? d3.scaleLinear(domain, [0, 1]) : d3.scaleLinear(domain, [0, 1]).nice();
  }

  // The size from which on a symmetrical log scale is one: the median, zero left out.
  function typicalSize(column) {
    return d3.median(column.values, (value) => Math.abs(value) || NaN) || 1;
  }

  function ticks(scale, column, most = 5) {
    if (column.scale === "cyclic") return [0, 45, 90, 135, 180].filter((value) => value <= scale.domain()[1]);
    if (column.scale === "symlog") return decades(scale);
    const marks = scale.ticks(most);
    return marks.length <= 2 * most
      ? marks
      : marks.filter((_mark, place) => place % Math.ceil(marks.length / most) === 0);
  }

  // Zero, the ends of the axis, and powers of ten far enough from one another to be read.
  function decades(scale) {
    const [low, high] = scale.domain();
    const powers = d3.range(-6, 7).map((power) => 10 ** power);
    const wanted = [0, ...powers.toReversed().flatMap((power) => [power, -power])];
    const chosen = [];
    for (const value of wanted) {
      const fits =
        value >= low && value <= high && chosen.every((other) => Math.abs(scale(value) - scale(other)) > 0.14);
      if (fits) chosen.push(value);
    }
    return chosen.sort(d3.ascending);
  }

  // A colour for an orientation: a ring in lightness and from blue to yellow, which every common colour vision sees.
  function orientationColour(degrees) {
    const turn = (2 * degrees * Math.PI) / 180;
    return d3.lab(62 + 18 * Math.cos(turn), 22 * Math.cos(turn), 42 * Math.sin(turn)).formatHex();
  }

  return { of, ticks, orientationColour, valueColour: d3.interpolateCividis };
})();
