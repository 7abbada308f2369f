// The units selected, or all that are shown, as a table (CSV) or as a Python dict for neuroprobe.ablate.
"use strict";

const exporting = (() => {
  function start() {
    byId("export").addEventListener("click", open);
    view.listen(() => byId("export-dialog").close()); // a link was followed: what it offers is no longer looked at
  }

  const chosen = () => (choice.selected.size ? [...choice.selected].sort((a, b) => a - b) : Array.from(choice.rows));

  function csv(rows) {
    const columns = network.columns;
    const lines = [columns.map((column) => column.id)];
    for (const row of rows)
      lines.push(
        columns.map((column) =>
          !column.has(row)
            ? ""
            : column.isNumber
              ? numbers.exact(column.values[row])
              : column.categories[column.values[row]],
        ),
      );
    return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  // {"relu1": [3, 17]}: JSON's strings and lists of whole numbers are Python's too.
  function python(rows) {
    const units = new Map();
    for (const row of d3.sort(rows)) {
      const name = network.layerOf(row).name;
      units.set(name, [...(units.get(name) ?? []), network.unitOf(row)]);
    }
    const lines = [...units].map(([name, list]) => `    ${JSON.stringify(name)}: [${list.join(", ")}],`);
    return `units = {\n${lines.join("\n")}\n}\n`;
  }

  function open() {
    const rows = chosen();
    const dialog = byId("export-dialog");
    const what = choice.selected.size
      ? `${numbers.count(rows.length, "unit")} selected`
      : `${numbers.count(rows.length, "unit")} shown; select some to export only these`;
    const code = element("textarea", { id: "export-python", readonly: true, rows: 10, spellcheck: "false" });
    code.value = rows.length ? python(rows) : "";
    const none = rows.length === 0;
    dialog.replaceChildren(
      element(
        "div",
        { class: "bar" },
        element("h2", { id: "export-heading", text: "Export" }),
        element("span", { class: "push" }),
        element("button", {
          type: "button",
          class: "plain",
          "aria-label": "Close",
          text: "×",
          onclick: () => dialog.close(),
        }),
      ),
      element("p", {
        id: "export-what",
        text: none ? "No unit passes the filters: there is nothing to export." : what,
      }),
      element(
        "p",
        {},
        element("button", {
          type: "button",
          id: "save-csv",
          class: "strong",
          disabled: none,
          text: "Save as CSV",
          onclick: () => save(csv(rows)),
        }),
        element("span", { class: "quiet", text: ` ${numbers.grouped(network.columns.length)} columns` }),
      ),
      element(
        "label",
        { for: "export-python", text: "As a Python dict, for " },
        element("code", { text: "neuroprobe.ablate(model, units)" }),
      ),
      code,
      element(
        "p",
        {},
        element("button", {
          type: "button",
          id: "copy-python",
          disabled: none,
          text: "Copy",
          onclick: (event) => copy(code, event.target),
        }),
      ),
    );
    dialog.showModal();
  }

  function save(text) {
    const link = element("a", {
      href: URL.createObjectURL(new Blob([text], { type: "text/csv" })),
      download: `${network.title.replace(/[^\w.-]+/g, "-")}-units.csv`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  async function copy(code, button) {
    code.select();
    try {
      await navigator.clipboard.writeText(code.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl+C"; // the browser lets no page from disk write to the clipboard
    }
  }

  return { start, csv, python };
})();
