// Figures and times as text.

const NUMBER = new Intl.NumberFormat("en");
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const number = (value) => (value === null || value === undefined ? "–" : NUMBER.format(value));

/** Tokens a second, without more digits than they deserve. */
export const pace = (value) => `${value < 10 ? value.toFixed(1) : number(Math.round(value))} tokens/s`;

/** A size in bytes, in units of 1000. */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit < 2 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min". */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 10) return `${value.toFixed(1)} s`;
  const whole = Math.round(value);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

/** An estimate: without more digits than it deserves. */
export function about(value) {
  if (value === null || value === undefined) return "";
  if (value < 1) return "< 1 s";
  if (value < 60) return `${Math.round(value)} s`;
  if (value < 3600) return `${Math.round(value / 60)} min`;
  return `${(value / 3600).toFixed(1)} h`;
}

const date = (unix) => new Date(unix * 1000);

/** Unix seconds: the time of day today, else with the date. */
export function clock(unix) {
  if (unix === null || unix === undefined) return "–";
  const moment = date(unix);
  return moment.toDateString() === new Date().toDateString() ? CLOCK.format(moment) : MOMENT.format(moment);
}

export const moment = (unix) => (unix === null || unix === undefined ? "–" : MOMENT.format(date(unix)));
export const day = (unix) => DAY.format(date(unix));

/** The last part of a model's name: `org/name` is long in a row. */
export const shortModel = (name) => name.split("/").at(-1);
