// A transcript with its times, which plays along with its recording.

import { html, useEffect, useMemo, useRef } from "../../lib.js";

export const clockOf = (seconds) => {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
};

/** The text of a segment in pieces: words with their times, and what is between them. */
function pieces(segment, words) {
  const found = [];
  let at = 0;
  for (const word of words) {
    const text = word.word.trim();
    const start = text ? segment.text.indexOf(text, at) : -1;
    if (start < 0) continue;
    if (start > at) found.push({ text: segment.text.slice(at, start) });
    found.push({ text, start: word.start, end: word.end });
    at = start + text.length;
  }
  if (at < segment.text.length) found.push({ text: segment.text.slice(at) });
  return found;
}

/** Segments, each with the words that begin in it. */
function rowsOf({ segments = [], words = [], text, duration }) {
  const rows = segments.length ? segments : [{ start: 0, end: duration ?? 0, text }];
  let at = 0;
  return rows.map((segment, index) => {
    const until = rows[index + 1]?.start ?? Infinity;
    const own = [];
    while (at < words.length && words[at].start < until) own.push(words[at++]);
    return { ...segment, pieces: pieces(segment, own) };
  });
}

/** The last of `items`, which are sorted, that has begun at `time`; -1 before the first. */
function begun(items, time) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** `player` is a ref of the audio element, or of nothing. */
export function Transcript({ result, player }) {
  const list = useRef(null);
  const rows = useMemo(() => rowsOf(result), [result]);
  const seek = (time) => {
    if (!player.current) return;
    player.current.currentTime = time;
    player.current.play().catch(() => {});
  };
  useEffect(() => {
    const audio = player.current;
    if (!audio) return undefined;
    const spans = [...list.current.querySelectorAll(".word")].map((node) => ({ node, start: Number(node.dataset.start), end: Number(node.dataset.end) }));
    const lines = [...list.current.querySelectorAll(".segment")].map((node, index) => ({ node, start: rows[index].start, end: rows[index].end }));
    const marked = new Map();
    const mark = (items) => {
      const found = items[begun(items, audio.currentTime + 0.02)];
      const node = found && audio.currentTime < found.end ? found.node : null;
      if (marked.get(items) === node) return;
      marked.get(items)?.classList.remove("now");
      node?.classList.add("now");
      marked.set(items, node);
      if (node && items === lines && !audio.paused) node.scrollIntoView({ block: "nearest", behavior: "smooth" });
    };
    let frame = 0;
    const look = () => {
      mark(spans);
      mark(lines);
      frame = audio.paused ? 0 : requestAnimationFrame(look);
    };
    const begin = () => {
      cancelAnimationFrame(frame);
      look();
    };
    for (const name of ["play", "pause", "seeked", "ended"]) audio.addEventListener(name, begin);
    return () => {
      cancelAnimationFrame(frame);
      for (const name of ["play", "pause", "seeked", "ended"]) audio.removeEventListener(name, begin);
      for (const node of marked.values()) node?.classList.remove("now");
    };
  }, [rows]);
  const inner = useMemo(
    () => rows.map(
      ({ start, pieces: parts }, index) => html`<div class="segment" key=${index}>
        <button type="button" class="at" aria-label=${`Play from ${clockOf(start)}`} onClick=${() => seek(start)}>${clockOf(start)}</button>
        <p class="words" onClick=${(event) => event.target.dataset.start && seek(Number(event.target.dataset.start))}>${parts.map((part) =>
          part.start === undefined
            ? part.text
            : html`<span class="word" data-start=${part.start} data-end=${part.end}>${part.text}</span>`,
        )}</p>
      </div>`,
    ),
    [rows],
  );
  return html`<div ref=${list} class="transcript">${inner}</div>`;
}
