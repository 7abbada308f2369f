// Charts drawn with D3: what all of them share, bars by class, and lines against shifts. Each says in words what it
// shows, for those who do not see it.
"use strict";

const charts = (() => {
  const MARGIN = { top: 10, right: 12, bottom: 34, left: 50 };
  const BAR = 18; // pixels a class

  function canvas(width, height, label) {
    return d3.select(
      svg("svg", {
        class: "chart",
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: "img",
        "aria-label": label,
      }),
    );
  }

  // From the smallest to the largest known value, zero among them if told.
  function span(values, zero = true) {
    const [low, high] = d3.extent([...(zero ? [0] : []), ...values].filter(Number.isFinite));
    return low < high ? [low, high] : [low ?? 0, (low ?? 0) + 1];
  }

  // A text at a place: anchor start, middle or end.
  function write(onto, x, y, text, anchor = "middle") {
    return onto.append("text").attr("x", x).attr("y", y).attr("dy", "0.32em").attr("text-anchor", anchor).text(text);
  }

  // The title of the upright axis, at the left edge.
  function sideTitle(onto, middle, text) {
    write(onto, 0, 0, text).attr("class", "title").attr("transform", `translate(8,${middle}) rotate(-90)`);
  }

  function axes(chart, x, y, { width, height, xLabel, yLabel, xTicks }) {
    const [bottom, right] = [height - MARGIN.bottom, width - MARGIN.right];
    const rules = chart.append("g").attr("class", "rules");
    const marks = chart.append("g").attr("class", "marks");
    for (const tick of y.ticks(4)) {
      rules.append("line").attr("x1", MARGIN.left).attr("x2", right).attr("y1", y(tick)).attr("y2", y(tick));
      write(marks, MARGIN.left - 6, y(tick), numbers.short(tick), "end");
    }
    for (const tick of xTicks) write(marks, x(tick), bottom + 11, numbers.short(tick));
    write(marks, (MARGIN.left + right) / 2, height - 7, xLabel).attr("class", "title");
    sideTitle(marks, (MARGIN.top + bottom) / 2, yLabel);
  }

  // A bar a class, from zero, in the order given: [[name, value], ...].
  function bars(entries, width, valueLabel, label) {
    const height = 4 + entries.length * BAR + 34;
    const chart = canvas(width, height, label);
    const left = Math.min(150, 12 + 6.6 * d3.max(entries, ([name]) => name.length));
    const x = d3.scaleLinear(span(entries.map(([, value]) => value)), [left, width - 54]).nice(4);
    const bottom = 4 + entries.length * BAR;
    const rules = chart.append("g").attr("class", "rules");
    const marks = chart.append("g").attr("class", "marks");
    for (const tick of x.ticks(4)) {
      rules.append("line").attr("x1", x(tick)).attr("x2", x(tick)).attr("y1", 2).attr("y2", bottom);
      write(marks, x(tick), bottom + 11, numbers.short(tick));
    }
    const decimals = numbers.decimalsFor(d3.max(entries, ([, value]) => Math.abs(value)));
    entries.forEach(([name, value], place) => {
      const middle = 4 + (place + 0.5) * BAR;
      write(marks, left - 6, middle, name.length > 21 ? `${name.slice(0, 20)}…` : name, "end")
        .attr("class", "word")
        .append("title")
        .text(name);
      chart
        .append("rect")
        .attr("class", value < 0 ? "bar below" : "bar")
        .attr("x", Math.min(x(0), x(value)))
        .attr("y", middle - BAR / 2 + 2)
        .attr("height", BAR - 4)
        .attr("width", Math.max(0.5, Math.abs(x(value) - x(0))));
      write(marks, width - 4, middle, numbers.write(value, decimals), "end");
    });
    write(marks, (left + width - 54) / 2, height - 7, valueLabel).attr("class", "title");
    return chart.node();
  }

  // Correlations (axis, shift) as the image moves: a line an axis, through 1 where it stands.
  function shifts({ shift, axis, values }, width, height, label) {
    const chart = canvas(width, height, label);
    const x = d3.scaleLinear(d3.extent([0, ...shift]), [MARGIN.left, width - MARGIN.right]);
    const y = d3.scaleLinear([Math.min(0, d3.min(values) ?? 0), 1], [height - MARGIN.bottom, MARGIN.top]).nice(4);
    axes(chart, x, y, {
      width,
      height,
      xLabel: "Shift (pixels)",
      yLabel: "Pearson r",
      xTicks: shift.length < 12 ? [0, ...shift] : x.ticks(8),
    });
    axis.forEach((name, i) => {
      const measured = shift
        .map((step, j) => [step, values[i * shift.length + j]])
        .filter(([, value]) => Number.isFinite(value));
      const line = d3.sort([...measured, [0, 1]], ([step]) => step);
      const series = chart.append("g").attr("class", `series s${i}`);
      series.append("path").attr(
        "d",
        d3.line(
          ([step]) => x(step),
          ([, value]) => y(value),
        )(line),
      );
      const mark = d3.symbol(i ? d3.symbolSquare : d3.symbolCircle, 32)();
      for (const [step, value] of line) {
        series
          .append("path")
          .attr("class", "mark")
          .attr("d", mark)
          .attr("transform", `translate(${x(step)},${y(value)})`)
          .append("title")
          .text(`${step} pixels along ${name}: ${numbers.short(value)}`);
      }
    });
    return chart.node();
  }

  return { MARGIN, canvas, span, write, sideTitle, axes, bars, shifts };
})();
