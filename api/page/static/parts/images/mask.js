// A mask drawn on an image: what is painted is made anew. With the pointer or with the keyboard.
//
// A stroke is { erases, size, points }, in pixels of the image. The list of strokes is the mask: undo takes one away.

import { html, useEffect, useRef, useState } from "../../lib.js";
import { Button, Segments } from "../controls.js";

function draw(context, { erases, size, points }, from = 0) {
  context.globalCompositeOperation = erases ? "destination-out" : "source-over";
  context.lineWidth = size;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  const [x, y] = points[Math.max(0, from - 1)];
  context.moveTo(x, y);
  // A line of no length is a dot.
  for (const [nextX, nextY] of points.slice(from)) context.lineTo(nextX, nextY);
  if (points.length === 1) context.lineTo(x, y);
  context.stroke();
}

/** The mask as a PNG as the server takes it: what is to be made anew is transparent. Null where nothing is painted. */
export async function maskOf({ width, height, strokes }) {
  if (!strokes.some(({ erases }) => !erases)) return null;
  const painted = canvasOf(width, height);
  const over = painted.getContext("2d");
  for (const stroke of strokes) draw(over, stroke);
  const mask = canvasOf(width, height);
  const context = mask.getContext("2d");
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(painted, 0, 0);
  return new Promise((resolve) => mask.toBlob(resolve, "image/png"));
}

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  return canvas;
}

const KEYS =
  "Arrow keys move the brush, with Shift a little. Space puts it down and lifts it. E changes between brush and eraser, [ and ] the size, Ctrl Z takes the last stroke back.";

export function MaskEditor({ picture, onChange }) {
  const { url, width, height, strokes } = picture;
  const canvas = useRef(null);
  const stroke = useRef(null);
  const [erases, setErases] = useState(false);
  const [size, setSize] = useState(Math.round(Math.max(width, height) / 12));
  const [cursor, setCursor] = useState({ x: width / 2, y: height / 2, down: false, shown: false });

  useEffect(() => {
    const context = canvas.current.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, width, height);
    context.strokeStyle = "#e0245e";
    for (const each of strokes) draw(context, each);
  }, [strokes, width, height]);

  const pointOf = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  const begin = (point) => {
    stroke.current = { erases, size, points: [point] };
    draw(canvas.current.getContext("2d"), stroke.current);
  };
  const go = (point) => {
    stroke.current.points.push(point);
    draw(canvas.current.getContext("2d"), stroke.current, stroke.current.points.length - 1);
  };
  const end = () => {
    if (!stroke.current) return;
    onChange([...strokes, stroke.current]);
    stroke.current = null;
  };
  const undo = () => {
    stroke.current = null;
    onChange(strokes.slice(0, -1));
  };
  const down = (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    canvas.current.focus({ preventScroll: true });
    canvas.current.setPointerCapture(event.pointerId);
    end();
    setCursor((old) => ({ ...old, down: false, shown: false }));
    begin(pointOf(event));
  };
  const move = (event) => {
    if (!stroke.current || !canvas.current.hasPointerCapture(event.pointerId)) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) go(pointOf(each));
  };
  const key = (event) => {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const direction = directions[event.key];
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (direction) {
      const step = event.shiftKey ? 1 : Math.max(2, size / 4);
      const x = Math.min(width, Math.max(0, cursor.x + direction[0] * step));
      const y = Math.min(height, Math.max(0, cursor.y + direction[1] * step));
      if (cursor.down && stroke.current) go([x, y]);
      setCursor({ ...cursor, x, y, shown: true });
    } else if (event.key === " ") {
      if (cursor.down) end();
      else begin([cursor.x, cursor.y]);
      setCursor({ ...cursor, down: !cursor.down, shown: true });
    } else if (event.key === "e") setErases(!erases);
    else if (event.key === "[") setSize(Math.max(4, Math.round(size * 0.8)));
    else if (event.key === "]") setSize(Math.min(Math.max(width, height) / 2, Math.round(size * 1.25)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const leave = () => {
    end();
    setCursor((old) => ({ ...old, down: false, shown: false }));
  };
  const percent = (value, whole) => `${(value / whole) * 100}%`;
  return html`<div class="mask">
    <div class="row wrap-row">
      <${Segments} label="Tool" value=${erases} options=${[[false, "Brush"], [true, "Eraser"]]} onChange=${setErases} />
      <label class="row small">Brush size <input type="range" min="4" max=${Math.max(width, height) / 2} value=${size}
        onInput=${(event) => setSize(Number(event.target.value))} /></label>
      <${Button} icon="undo" label="Undo" disabled=${!strokes.length} onClick=${undo} />
      <${Button} disabled=${!strokes.length} onClick=${() => onChange([])}>Clear<//>
    </div>
    <div class="mask-canvas">
      <img src=${url} alt="The image to start from" draggable=${false} />
      <canvas ref=${canvas} width=${width} height=${height} tabindex="0" role="application" aria-label=${`Mask. ${KEYS}`}
        onPointerDown=${down} onPointerMove=${move} onPointerUp=${end} onPointerCancel=${end} onKeyDown=${key} onBlur=${leave}
        onFocus=${() => setCursor((old) => ({ ...old, shown: canvas.current.matches(":focus-visible") }))}></canvas>
      ${cursor.shown &&
      html`<span class=${`mask-cursor ${cursor.down ? "down" : ""}`} style=${{
        left: percent(cursor.x, width),
        top: percent(cursor.y, height),
        width: percent(size, width),
      }}></span>`}
    </div>
    <p class="hint">What you paint is made anew, the rest stays. ${KEYS}</p>
  </div>`;
}
