// The charts of orientation: curve, polar curve, and the map of a setting by orientation.
"use strict";

const tuningCharts = (() => {
  const { MARGIN, canvas, span, write, sideTitle, axes } = charts;

  // A fit that dips a hair below zero does not open the axis there.
  function reach({ responses, fit, blank }) {
    const [low, high] = span([...responses, ...fit.map(([, value]) => value), blank]);
    return [low < 0 && -low < 0.05 * high ? 0 : low, high];
  }

  function measured({ degrees, responses }) {
    return degrees.map((angle, place) => [angle, responses[place]]).filter(([, value]) => Number.isFinite(value));
  }

  // Responses (circles), their fit (line) and the blank (dashes) against orientation.
  function line(curve, width, height, label) {
    const chart = canvas(width, height, label);
    const x = d3.scaleLinear([0, 180], [MARGIN.left, width - MARGIN.right]);
    const y = d3.scaleLinear(reach(curve), [height - MARGIN.bottom, MARGIN.top]).nice(4);
    axes(chart, x, y, {
      width,
      height,
      xLabel: "Orientation (deg)",
      yLabel: "Response (a.u.)",
      xTicks: [0, 45, 90, 135, 180],
    });
    if (Number.isFinite(curve.blank)) {
      chart
        .append("line")
        .attr("class", "blank")
        .attr("x1", x(0))
        .attr("x2", x(180))
        .attr("y1", y(curve.blank))
        .attr("y2", y(curve.blank));
    }
    const once = measured(curve);
    const closed = [...once, [once[0][0] + 180, once[0][1]]].filter(([angle]) => angle <= 180);
    const path = d3.line(
      ([angle]) => x(angle),
      ([, value]) => y(value),
    );
    chart
      .append("path")
      .attr("class", curve.fit.length ? "fit" : "link")
      .attr("d", path(curve.fit.length ? curve.fit : closed));
    for (const [angle, value] of closed) {
      chart
        .append("circle")
        .attr("class", "point")
        .attr("cx", x(angle))
        .attr("cy", y(value))
        .attr("r", 3)
        .append("title")
        .text(`${numbers.short(angle)}°: ${numbers.short(value)}`);
    }
    return chart.node();
  }

  // The same round the circle: an orientation is an angle, and the one opposite.
  function polar(curve, size, label) {
    const chart = canvas(size, size, label);
    const radius = size / 2 - 24;
    const r = d3.scaleLinear(reach(curve), [0, radius]);
    const onto = chart.append("g").attr("transform", `translate(${size / 2},${size / 2})`);
    const at = (angle, length) => [
      length * Math.cos((angle * Math.PI) / 180),
      -length * Math.sin((angle * Math.PI) / 180),
    ];
    for (const tick of r.ticks(3)) onto.append("circle").attr("class", "rule").attr("r", r(tick));
    for (const angle of d3.range(0, 360, 45)) {
      const [x, y] = at(angle, radius);
      onto.append("line").attr("class", "rule").attr("x2", x).attr("y2", y);
      write(onto, ...at(angle, radius + 13), `${angle % 180}°`);
    }
    if (Number.isFinite(curve.blank)) onto.append("circle").attr("class", "blank").attr("r", r(curve.blank));
    const twice = (pairs) => [0, 180].flatMap((turn) => pairs.map(([angle, value]) => at(angle + turn, r(value))));
    const outline = curve.fit.length ? curve.fit.slice(0, -1) : measured(curve);
    onto
      .append("path")
      .attr("class", curve.fit.length ? "fit closed" : "link closed")
      .attr("d", `${d3.line()(twice(outline))}Z`);
    for (const [x, y] of twice(measured(curve)))
      onto.append("circle").attr("class", "point").attr("r", 2.2).attr("cx", x).attr("cy", y);
    return chart.node();
  }

  // Responses to every setting (upwards) and orientation; the preferred row is framed.
  function heat({ degrees, rows, rowLabel, values, preferred }, width, label) {
    const tall = Math.max(5, Math.min(22, 210 / rows.length));
    const height = MARGIN.top + rows.length * tall + MARGIN.bottom;
    const right = width - 56; // of the map; beside it stands the legend
    const chart = canvas(width, height, label);
    const x = d3.scaleBand(degrees, [MARGIN.left + 6, right]);
    const y = d3.scaleBand(d3.range(rows.length), [height - MARGIN.bottom, MARGIN.top]);
    const domain = span(values, false);
    const colour = (value) => scales.valueColour((value - domain[0]) / (domain[1] - domain[0]));
    values.forEach((value, place) => {
      const [row, angle] = [Math.floor(place / degrees.length), degrees[place % degrees.length]];
      const cell = chart
        .append("rect")
        .attr("x", x(angle))
        .attr("y", y(row))
        .attr("width", x.bandwidth() + 0.3)
        .attr("height", y.bandwidth() + 0.3);
      Number.isFinite(value) ? cell.attr("fill", colour(value)) : cell.attr("class", "unknown");
      cell.append("title").text(`${numbers.short(angle)}°, ${numbers.short(rows[row])}: ${numbers.short(value)}`);
    });
    chart
      .append("rect")
      .attr("class", "frame")
      .attr("x", x(degrees[0]))
      .attr("y", y(preferred))
      .attr("width", right - MARGIN.left - 6)
      .attr("height", y.bandwidth());
    const marks = chart.append("g").attr("class", "marks");
    const some = (list, most) =>
      list.map((value, place) => [value, place]).filter(([, place]) => place % Math.ceil(list.length / most) === 0);
    for (const [value, row] of some(rows, 8))
      write(marks, MARGIN.left, y(row) + y.bandwidth() / 2, d3.format(".2~g")(value), "end");
    for (const [angle] of some(degrees, 6))
      write(marks, x(angle) + x.bandwidth() / 2, height - MARGIN.bottom + 11, numbers.short(angle));
    write(marks, (MARGIN.left + right) / 2, height - 7, "Orientation (deg)").attr("class", "title");
    sideTitle(marks, (MARGIN.top + height - MARGIN.bottom) / 2, rowLabel);
    legend(chart, domain, right + 12, height);
    return chart.node();
  }

  // What the colours of a map stand for.
  function legend(chart, domain, x, height) {
    const steps = 24;
    const tall = height - MARGIN.top - MARGIN.bottom;
    for (const step of d3.range(steps)) {
      chart
        .append("rect")
        .attr("x", x)
        .attr("y", MARGIN.top + (tall * step) / steps)
        .attr("width", 8)
        .attr("height", tall / steps + 0.4)
        .attr("fill", scales.valueColour(1 - (step + 0.5) / steps));
    }
    write(chart, x + 12, MARGIN.top + 4, numbers.short(domain[1]), "start");
    write(chart, x + 12, MARGIN.top + tall - 4, numbers.short(domain[0]), "start");
  }

  return { line, polar, heat };
})();
