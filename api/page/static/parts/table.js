// Tables, and rows of which only those in sight are in the document.

import { html, useLayoutEffect, useRef, useState } from "../lib.js";

/**
 * `columns` are `{name, text, cell, numeric}`: `cell` makes the content of a row's cell. `rowKey` gives a row's key.
 * On phones each cell has its column's name before it.
 */
export function Table({ caption, columns, rows, rowKey, empty = "Nothing here." }) {
  if (!rows.length) return html`<p class="empty">${empty}</p>`;
  return html`<div class="table-box"><table class="cards">
    <caption class="visually-hidden">${caption}</caption>
    <thead><tr>${columns.map(
      ({ name, text, numeric }) => html`<th key=${name} scope="col" class=${numeric ? "numeric" : ""}>${text}</th>`,
    )}</tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${rowKey(row)}>${columns.map(
        ({ name, text, numeric, cell }) =>
          html`<td key=${name} data-label=${text} class=${`col-${name} ${numeric ? "numeric" : ""}`}>${cell(row)}</td>`,
      )}</tr>`,
    )}</tbody>
  </table></div>`;
}

/**
 * The rows of a long list, each `height` pixels high, without those far out of sight. `render(item, index)` makes one.
 * The page is what scrolls. It is a list for screen readers, which are told its whole length.
 */
export function Rows({ items, height, render, label }) {
  const ref = useRef(null);
  const [[start, end], setRange] = useState([0, 40]);
  useLayoutEffect(() => {
    let asked = 0;
    const look = () => {
      asked = 0;
      if (!ref.current) return;
      const top = -ref.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / height) - 10);
      const last = Math.ceil((top + innerHeight) / height) + 10;
      setRange((old) => (old[0] === first && old[1] === last ? old : [first, last]));
    };
    const later = () => {
      asked ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", later, { passive: true, capture: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(asked);
      removeEventListener("scroll", later, { capture: true });
      removeEventListener("resize", later);
    };
  }, [height]);
  const shown = items.slice(start, Math.max(end, start + 1));
  const first = Math.min(start, items.length);
  return html`<ul ref=${ref} class="rows" role="list" aria-label=${label} style=${{ height: `${items.length * height}px` }}>
    ${shown.map(
      (item, index) => html`<li key=${item.id ?? item} aria-setsize=${items.length} aria-posinset=${first + index + 1}
        style=${{ top: `${(first + index) * height}px`, height: `${height}px` }}>${render(item, first + index)}</li>`,
    )}
  </ul>`;
}
