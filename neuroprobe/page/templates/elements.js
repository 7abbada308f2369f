// Elements, made of text that stays text; and how numbers are written.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes and children. "on..." is a listener, "text" its text; null and false are left out.
function element(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}

function furnish(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "text") made.textContent = value;
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Put other children into an element; the focus stays on the one of the same data-key.
function redraw(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children);
  if (key !== undefined) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

// A long name by its end, where neighbours differ.
function shorten(name, length) {
  return name.length > length ? `…${name.slice(1 - length)}` : name;
}

const byId = (id) => document.getElementById(id);

function option(value, text) {
  return element("option", { value, text });
}

const numbers = (() => {
  const grouped = new Intl.NumberFormat("en-GB");

  function count(value, noun) {
    return `${grouped.format(value)} ${noun}${value === 1 ? "" : "s"}`;
  }

  // Digits that tell values of this size apart.
  function decimalsFor(largest) {
    return Number.isFinite(largest) && largest > 0 ? Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(largest)))) : 3;
  }

  function write(value, decimals = 3) {
    if (Number.isNaN(value)) return "–";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    const tiny = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
    return minus(tiny ? value.toExponential(0) : value.toFixed(decimals));
  }

  // A value on its own, to three digits.
  function short(value) {
    return Number.isFinite(value)
      ? minus(d3.format(Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? ".1e" : ".3~r")(value))
      : write(value);
  }

  const minus = (text) => text.replaceAll("-", "−");

  // All digits that a number of single precision has, and no more.
  function exact(value) {
    for (let digits = 1; digits < 9; digits++) {
      const text = value.toPrecision(digits);
      if (Math.fround(Number(text)) === value) return String(Number(text));
    }
    return String(value);
  }

  return { count, decimalsFor, exact, write, short, grouped: (value) => grouped.format(value) };
})();

// A box of words beside what the pointer or the keyboard is at, for elements with data-tip.
const tips = (() => {
  function show(event) {
    const owner = event.target.closest?.("[data-tip]");
    const tip = byId("tip");
    tip.hidden = !owner;
    if (!owner) return;
    tip.textContent = owner.dataset.tip;
    const place = owner.getBoundingClientRect();
    const left = Math.min(place.left, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = place.bottom + 6 + tip.offsetHeight < window.innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${below ? place.bottom + 6 : place.top - tip.offsetHeight - 6}px`;
  }

  function start() {
    for (const type of ["pointerover", "focusin", "scroll"]) document.addEventListener(type, show, true);
    document.addEventListener("keydown", (event) => event.key === "Escape" && (byId("tip").hidden = true));
  }

  return { start };
})();
