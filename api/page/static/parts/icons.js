// Icons of 20 pixels, drawn with the colour of the text. They are decoration: names are texts or aria-labels.

import { html } from "../lib.js";

const PATHS = {
  now: "M4 6h12M4 10h12M4 14h7",
  history: "M10 6v4l2.5 2M3.5 10a6.5 6.5 0 1 0 2-4.7M3.5 3.5v3h3",
  chat: "M4 4.5h12v9H9l-3.5 3v-3H4z",
  images: "M3.5 4.5h13v11h-13zM3.5 13l4-4 3.5 3.5 2-2 3.5 3M12.7 7.5h.1",
  audio: "M10 3.5v9M10 12.5a2.5 2.5 0 0 0 2.5-2.5V6a2.5 2.5 0 0 0-5 0v4a2.5 2.5 0 0 0 2.5 2.5zM5 10a5 5 0 0 0 10 0M10 15v2",
  models: "M10 3l6 3.2v7.2L10 17l-6-3.6V6.2zM4.3 6.4L10 9.6l5.7-3.2M10 9.6V17",
  usage: "M4 16V10M8 16V5M12 16v-8M16 16v-4",
  settings: "M3.5 6h8M15 6h1.5M3.5 14h2M9 14h7.5M13 4v4M7 12v4",
  logs: "M4 4.5h12v11H4zM7 8l2 2-2 2M11 12.5h3",
  health: "M2.5 10.5h3.5l2-5 3.5 9.5 2-4.5h4",
  connect: "M8 12l4-4M7 9l-1.8 1.8a2.8 2.8 0 0 0 4 4L11 13M13 11l1.8-1.8a2.8 2.8 0 0 0-4-4L9 7",
  pin: "M7.5 3.5h5M8.3 3.5v5L5.5 12h9l-2.8-3.5v-5M10 12v5",
  pause: "M7.5 5v10M12.5 5v10",
  play: "M7 4.5l8 5.5-8 5.5z",
  stop: "M5.5 5.5h9v9h-9z",
  cancel: "M5.5 5.5l9 9M14.5 5.5l-9 9",
  up: "M10 16V5M5.5 9.5L10 5l4.5 4.5",
  first: "M5 4h10M10 16V8M6 11.5L10 8l4 3.5",
  more: "M4.3 10a.7.7 0 1 0 1.4 0a.7.7 0 1 0-1.4 0M9.3 10a.7.7 0 1 0 1.4 0a.7.7 0 1 0-1.4 0M14.3 10a.7.7 0 1 0 1.4 0a.7.7 0 1 0-1.4 0",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3.5v3.2h-3.2",
  hold: "M6 9V6.5a1.2 1.2 0 0 1 2.4 0V9M8.4 8.5V5.2a1.2 1.2 0 0 1 2.4 0V9M10.8 8.5V6a1.2 1.2 0 0 1 2.4 0v5c0 3-1.5 5-4 5s-3.2-1.5-5-5c-.5-1 .8-1.8 1.8-.5",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  menu: "M3.5 6h13M3.5 10h13M3.5 14h13",
  search: "M9 14a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM12.7 12.7L16 16",
  download: "M10 4v8.5M6 9l4 4 4-4M4.5 16h11",
  trash: "M4.5 6h11M8 6V4.5h4V6M6 6l.7 10h6.6L14 6",
  send: "M10 16V4.5M5 9.5l5-5 5 5",
  add: "M10 4.5v11M4.5 10h11",
  edit: "M4.5 15.5l.7-3L13 4.7l2.3 2.3-7.8 7.8z",
  check: "M4.5 10.5l3.5 3.5 7.5-8",
  phone: "M6.5 3h7v14h-7zM9.5 14.8h1",
  record: "M10 5.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 1 1 0-9z",
  brush: "M12.5 3.5l4 4-6.5 6.5-4-4zM6 10c-2 .8-2 4-3 6 2.5 0 5-.5 7-2",
  undo: "M7 5.5L3.5 9 7 12.5M3.5 9h8a4 4 0 0 1 0 8h-2",
  warning: "M10 3.5l7 12.5H3zM10 8v4M10 14v.1",
};

export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}
