// The table of units: only the rows in sight are there, however many pass the filters.
"use strict";

const grid = (() => {
  const ROW = 36;
  const MARGIN = 12; // pixels; rows drawn beyond those in sight
  const phone = window.matchMedia("(max-width: 899px)");
  let scroller, table, head, body;
  let active = 0; // the row that keys act on
  let [drawnFrom, drawnTo] = [-1, -1];

  function start() {
    scroller = byId("table");
    head = element("thead");
    body = element("tbody");
    table = element(
      "table",
      { role: "grid", tabindex: 0, "aria-label": "Units", "aria-multiselectable": "true" },
      head,
      body,
    );
    scroller.append(table);
    scroller.addEventListener("scroll", () => requestAnimationFrame(() => drawRows(false)), { passive: true });
    new ResizeObserver(() => drawRows(false)).observe(scroller);
    table.addEventListener("keydown", pressed);
    body.addEventListener("click", clicked);
    byId("unselect").addEventListener("click", unselect);
    columnChooser();
  }

  const focus = () => table.focus({ preventScroll: true });

  function shownColumns() {
    return view.state.columns.map((id) => network.byId.get(id));
  }

  function update(state, before) {
    if (choice.isOther(state, before)) {
      active = 0;
      scroller.scrollTop = 0;
    }
    if (state.unit !== null) active = Math.max(0, choice.rows.indexOf(state.unit));
    byId("nothing").hidden = choice.rows.length > 0;
    scroller.hidden = choice.rows.length === 0;
    if (!choice.rows.length)
      byId("nothing").replaceChildren(
        "No unit passes these filters. ",
        element("button", {
          type: "button",
          text: "Clear all filters",
          onclick: () => view.change({ at: null, layer: null, where: [] }),
        }),
      );
    table.setAttribute("aria-rowcount", choice.rows.length + 1);
    table.setAttribute("aria-colcount", shownColumns().length + 4);
    say();
    drawHead(state);
    drawRows(true);
    if (state.unit !== null && state.unit !== before?.unit) reveal(active); // once the rows have their height
  }

  function say() {
    const total = numbers.count(network.size, "unit");
    const shown = choice.rows.length;
    const chosen = choice.selected.size;
    const words = shown === network.size ? total : `${numbers.grouped(shown)} of ${total}`;
    byId("count").textContent = words + (chosen ? `, ${numbers.grouped(chosen)} selected` : "");
    byId("unselect").hidden = chosen === 0;
  }

  function drawHead(state) {
    const all =
      choice.rows.length > 0 &&
      choice.selected.size >= choice.rows.length &&
      choice.rows.every((row) => choice.selected.has(row));
    const box = element("input", {
      type: "checkbox",
      "aria-label": "Select all units shown",
      "data-key": "all",
      onchange: (event) => {
        choice.select(choice.rows, event.target.checked);
        refresh();
      },
    });
    box.checked = all;
    const previews = [network.curves && "Tuning", network.images && "Image"].filter(Boolean);
    redraw(
      head,
      element(
        "tr",
        { "aria-rowindex": 1 },
        element("th", { scope: "col", class: "pick" }, box),
        heading(
          { id: "unit", label: "Unit", meaning: "Layer and number within it, in order of execution" },
          state,
          "unit-name",
        ),
        ...previews.map((name) => element("th", { scope: "col", class: "preview", text: name })),
        ...shownColumns().map((column) => heading(column, state, column.isNumber ? "number" : "word")),
        element("td", { class: "rest" }),
      ),
    );
  }

  function heading(column, state, kind) {
    const sorted = state.sort?.column === column.id ? (state.sort.down ? "descending" : "ascending") : null;
    const words = [
      element("span", { text: column.label }),
      column.unit ? element("small", { text: column.unit }) : null,
    ];
    return element(
      "th",
      { scope: "col", class: kind, "aria-sort": sorted ?? "none" },
      element(
        "button",
        {
          type: "button",
          "data-key": column.id,
          "data-tip": column.meaning,
          onclick: () => view.change({ sort: nextSort(column, sorted) }),
        },
        ...words,
        element("span", { class: "arrow", "aria-hidden": "true" }),
      ),
    );
  }

  // Numbers are sorted from the largest first, words from the first; then the other way; then not at all.
  function nextSort(column, sorted) {
    if (column.id === "unit") return null; // the order of the network
    const first = column.isNumber ? "descending" : "ascending";
    if (sorted === null) return { column: column.id, down: first === "descending" };
    return sorted === first ? { column: column.id, down: first !== "descending" } : null;
  }

  // Draw the rows in sight, if others are there or something changed.
  function drawRows(changed) {
    if (scroller.hidden) return;
    const top = Math.max(0, scroller.scrollTop - head.offsetHeight);
    const rows = choice.rows;
    const from = Math.max(0, Math.floor(top / ROW) - MARGIN);
    const to = Math.min(rows.length, Math.ceil((top + scroller.clientHeight) / ROW) + MARGIN);
    if (!changed && from === drawnFrom && to === drawnTo) return;
    [drawnFrom, drawnTo] = [from, to];
    const drawn = d3.range(from, to).map((place) => drawRow(rows[place], place));
    body.replaceChildren(gap(from), ...drawn, gap(rows.length - to));
    const there = active >= from && active < to && rows.length;
    there
      ? table.setAttribute("aria-activedescendant", `row-${active}`)
      : table.removeAttribute("aria-activedescendant");
  }

  function gap(rows) {
    const made = element("tr", { "aria-hidden": "true", class: "gap" });
    made.style.height = `${rows * ROW}px`;
    return made;
  }

  function drawRow(row, place) {
    const selected = choice.selected.has(row);
    const open = view.state.unit === row;
    const box = element("input", { type: "checkbox", tabindex: -1, "aria-label": `Select ${network.nameOf(row)}` });
    box.checked = selected;
    const layer = network.layerOf(row).name;
    const letters = phone.matches ? 10 : 20;
    return element(
      "tr",
      {
        id: `row-${place}`,
        "data-place": place,
        "aria-rowindex": place + 2,
        "aria-selected": String(selected),
        class: [place === active ? "active" : "", open ? "open" : ""].join(" ").trim() || null,
      },
      element("td", { class: "pick" }, box),
      element(
        "th",
        { scope: "row", class: "unit-name", "data-tip": layer.length > letters ? layer : null },
        element("span", { class: "layer-name", text: shorten(layer, letters) }),
        element("span", { text: ` ${network.unitOf(row)}` }),
      ),
      network.curves ? element("td", { class: "preview" }, pictures.spark(row)) : null,
      network.images ? element("td", { class: "preview" }, pictures.first(row)) : null,
      ...shownColumns().map((column) => cell(column, row)),
      element("td", { class: "rest" }),
    );
  }

  function cell(column, row) {
    const made = element("td", { class: column.isNumber ? "number" : "word", text: column.text(row) });
    if (column.scale === "cyclic" && column.has(row)) made.prepend(pictures.glyph(column.values[row]));
    const isShare = column.domain && column.domain[0] === 0 && column.domain[1] === 1 && column.has(row);
    if (isShare) made.prepend(pictures.meter(column.values[row]));
    return made;
  }

  function clicked(event) {
    const place = Number(event.target.closest("tr[data-place]")?.dataset.place ?? NaN);
    if (Number.isNaN(place)) return;
    const before = active;
    active = place;
    if (!event.target.closest(".pick")) return view.change({ unit: choice.rows[place] });
    const [from, to] = event.shiftKey ? d3.extent([before, place]) : [place, place];
    choice.select(choice.rows.subarray(from, to + 1), !choice.selected.has(choice.rows[place]));
    refresh();
  }

  function pressed(event) {
    if (event.target !== table || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 2);
    const last = choice.rows.length - 1;
    const moves = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: last,
    };
    if (event.key in moves) goTo(Math.max(0, Math.min(last, moves[event.key])));
    else if (event.key === "Enter") view.change({ unit: choice.rows[active] });
    else if (event.key === " ") toggle();
    else return;
    event.preventDefault();
  }

  function toggle() {
    choice.select([choice.rows[active]], !choice.selected.has(choice.rows[active]));
    refresh();
  }

  function unselect() {
    choice.selected.clear();
    refresh();
    focus();
  }

  function goTo(place) {
    active = place;
    reveal(place);
    drawRows(true);
  }

  function reveal(place) {
    const top = place * ROW;
    const room = scroller.clientHeight - head.offsetHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + ROW > scroller.scrollTop + room) scroller.scrollTop = top + ROW - room;
  }

  function refresh() {
    say();
    drawHead(view.state);
    drawRows(true);
  }

  function columnChooser() {
    const sheet = byId("columns").querySelector(".sheet");
    const box = (column) => {
      const made = element("input", { type: "checkbox", value: column.id, onchange: chooseColumns });
      return element("label", { "data-tip": column.meaning }, made, ` ${column.heading}`);
    };
    for (const [kind, title] of network.kinds) {
      const boxes = network.columns.filter((column) => column.kind === kind).map(box);
      sheet.append(element("fieldset", {}, element("legend", { text: title }), ...boxes));
    }
    byId("columns").addEventListener("toggle", () => {
      for (const each of sheet.querySelectorAll("input")) each.checked = view.state.columns.includes(each.value);
    });
    document.addEventListener("pointerdown", (event) => {
      if (!byId("columns").contains(event.target)) byId("columns").open = false;
    });
    byId("columns").addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        byId("columns").open = false;
        byId("columns").querySelector("summary").focus();
        event.stopPropagation();
      }
    });
  }

  function chooseColumns() {
    const chosen = new Set(Array.from(byId("columns").querySelectorAll("input:checked"), (box) => box.value));
    view.change({ columns: network.columns.map((column) => column.id).filter((id) => chosen.has(id)) });
  }

  return { start, update, focus };
})();
