// The card of one unit: its name, what is known of it part by part, and every number.
"use strict";

const card = (() => {
  const PADDING = 48; // pixels, on both sides together
  const phone = window.matchMedia("(max-width: 899px)");
  let turn = 0; // which of the units asked for is the last

  function start() {
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && view.state.unit !== null && !document.querySelector("dialog[open]")) close();
    });
    phone.addEventListener("change", () => cover(view.state.unit !== null));
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (view.state.unit !== null && width && Math.abs(contentRect.width - width) > 1) draw(view.state.unit);
      width = contentRect.width;
    }).observe(byId("card"));
  }

  function update(state, before) {
    if (before && state.unit === before.unit) return;
    const open = state.unit !== null;
    byId("card").hidden = !open;
    document.body.classList.toggle("with-card", open);
    cover(open);
    if (open) draw(state.unit);
    else if (before) grid.focus();
  }

  // On a phone the card lies over the page, which nothing may reach meanwhile.
  function cover(open) {
    for (const part of [byId("main"), byId("masthead")]) part.inert = open && phone.matches;
  }

  const close = () => view.change({ unit: null });

  async function draw(row) {
    const mine = ++turn;
    const loaded = await Promise.allSettled([parts.load(`layer-${network.layerOf(row).number}`), parts.load("images")]);
    if (mine !== turn || view.state.unit === null) return;
    const [said, images] = loaded.map((part) => part.value ?? null);
    const missing = loaded
      .filter((part) => part.reason)
      .map((part) => element("p", { class: "notice", text: part.reason.message }));
    const width = byId("card").clientWidth - PADDING - 1; // which is rounded
    const held = byId("card").contains(document.activeElement) && document.activeElement.dataset.step;
    byId("card").replaceChildren(
      header(row),
      ...missing,
      ...(said ? sections.all(row, said, images, width) : []),
      everyNumber(row),
    );
    byId("card").scrollTop = 0;
    const step = held && byId("card").querySelector(`[data-step="${held}"]:enabled`);
    (step || byId("card-heading")).focus({ preventScroll: true }); // stepping goes on where it was
  }

  function header(row) {
    const layer = network.layerOf(row);
    const name = element(
      "h2",
      { id: "card-heading", tabindex: -1 },
      element("span", { class: "layer-name", text: layer.name }),
      ` unit ${network.unitOf(row)}`,
    );
    const closing = element("button", {
      type: "button",
      class: "plain",
      "aria-label": "Close the card",
      text: "×",
      onclick: close,
    });
    const bar = element(
      "div",
      { class: "bar" },
      name,
      element("span", { class: "push" }),
      stepper(row, -1, "‹", "Previous"),
      stepper(row, 1, "›", "Next"),
      closing,
    );
    const link = element("a", { href: view.linkTo(row), text: "Link to this unit" });
    return element(
      "header",
      {},
      bar,
      element(
        "p",
        { class: "quiet" },
        `${layer.kind}, ${layer.shape.join(" × ")} for an image. `,
        ...statuses(row),
        " ",
        link,
      ),
    );
  }

  // A button to the unit before or after in the table.
  function stepper(row, by, sign, name) {
    const place = choice.rows.indexOf(row);
    const next = place < 0 ? undefined : choice.rows[place + by];
    const label = `${name} unit of the table`;
    return element("button", {
      type: "button",
      class: "plain",
      "data-step": by,
      "aria-label": label,
      "data-tip": label,
      disabled: next === undefined,
      text: sign,
      onclick: () => view.change({ unit: next }),
    });
  }

  // The status in each result, said once where all agree.
  function statuses(row) {
    const columns = network.columns.filter((column) => column.name === "status" && column.has(row));
    const words = new Set(columns.map((column) => column.text(row)));
    const said =
      words.size <= 1
        ? [...words]
        : columns.map((column) => `${column.text(row)} (${network.titleOf(column.kind).toLowerCase()})`);
    return said.map((text) => element("span", { class: "badge", "data-tip": columns[0].meaning, text }));
  }

  // Every column, with how much of the layer lies below.
  function everyNumber(row) {
    const head = element(
      "thead",
      {},
      element(
        "tr",
        {},
        ...["Number", "Value", "Of the layer, below"].map((text) => element("th", { scope: "col", text })),
      ),
    );
    const bodies = network.kinds.map(([kind, title]) => {
      const columns = network.columns.filter((column) => column.kind === kind);
      return element(
        "tbody",
        {},
        element("tr", {}, element("th", { colspan: 3, scope: "rowgroup", text: title })),
        ...columns.map((column) => line(column, row)),
      );
    });
    return sections.section("All numbers", element("table", { class: "numbers" }, head, ...bodies));
  }

  function line(column, row) {
    const unit = column.unit && column.has(row) ? ` ${column.unit}` : "";
    const ranks = column.isNumber && column.has(row) && column.scale !== "cyclic";
    return element(
      "tr",
      {},
      element("th", { scope: "row", "data-tip": column.meaning, text: column.label }),
      element("td", { class: "number", text: column.text(row) + unit }),
      element("td", { class: "number quiet", text: ranks ? shareBelow(column, row) : "" }),
    );
  }

  function shareBelow(column, row) {
    const { first, units } = network.layerOf(row);
    const known = column.values.subarray(first, first + units).filter((value) => !Number.isNaN(value));
    const below = known.filter((value) => value < column.values[row]).length;
    return known.length > 1 ? `${Math.round((100 * below) / (known.length - 1))}%` : "";
  }

  return { start, update };
})();
