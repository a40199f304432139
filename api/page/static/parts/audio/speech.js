// What this page has had spoken. It outlives the view, not a reload.

import { signal } from "../../lib.js";
import { request } from "../../api.js";
import { warningOf } from "../job.js";
import { dataUrl } from "../pictures.js";
import { say } from "../toast.js";
import { WavPlayer, withLength } from "./wav.js";

/** Spoken texts that are kept. */
const MOST = 20;

export const FORMATS = [
  ["wav", "WAV"],
  ["mp3", "MP3"],
  ["flac", "FLAC"],
  ["opus", "Opus"],
  ["aac", "AAC"],
];
const SUFFIXES = { opus: "ogg" };

/** { abort, bytes, playing } of what is being made, or null. */
export const speaking = signal(null);

/** The newest first: { id, text, voice, url, blob, name, warning }. */
export const spoken = signal([]);

let last = 0;

/**
 * Speaks a text. `wanted` is { model, voice, format, speed, instructions, language, reference, transcript }; WAV is
 * heard while it is made.
 */
export async function speak(text, wanted) {
  stop();
  const abort = new AbortController();
  const player = wanted.format === "wav" ? new WavPlayer() : null;
  const here = { abort, player, bytes: 0 };
  speaking.value = here;
  const set = (fields) => {
    if (speaking.value?.abort === abort) speaking.value = { ...speaking.value, ...fields };
  };
  try {
    const answer = await request("v1/audio/speech", { json: await bodyOf(text, wanted), abort: abort.signal });
    const pieces = [];
    let bytes = 0;
    const reader = answer.body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      pieces.push(value);
      bytes += value.length;
      player?.add(value);
      set({ bytes });
    }
    const type = answer.headers.get("content-type") ?? "audio/wav";
    const whole = new Uint8Array(await new Blob(pieces).arrayBuffer());
    const blob = new Blob([wanted.format === "wav" ? withLength(whole) : whole], { type });
    add({ text, voice: wanted.voice, blob, name: `speech.${SUFFIXES[wanted.format] ?? wanted.format}`, warning: warningOf(answer) });
    say("The speech is ready.");
    set({ made: true });
    await player?.ended();
  } finally {
    player?.stop();
    if (speaking.value?.abort === abort) speaking.value = null;
  }
}

/** Ends what is being made, and what is heard of it. */
export function stop() {
  speaking.value?.abort.abort();
  speaking.value?.player?.stop();
  speaking.value = null;
}

async function bodyOf(text, wanted) {
  const body = { model: wanted.model, input: text, response_format: wanted.format, stream_format: "audio" };
  if (wanted.voice) body.voice = wanted.voice;
  if (Number(wanted.speed) && Number(wanted.speed) !== 1) body.speed = Number(wanted.speed);
  if (wanted.instructions.trim()) body.instructions = wanted.instructions;
  if (wanted.language) body.language = wanted.language;
  if (wanted.reference) {
    body.reference_audio = await dataUrl(wanted.reference);
    delete body.voice;
    if (wanted.transcript.trim()) body.reference_text = wanted.transcript;
  }
  return body;
}

function add(fields) {
  const entry = { ...fields, id: ++last, url: URL.createObjectURL(fields.blob), fresh: fields.name !== "speech.wav" };
  for (const old of spoken.value.slice(MOST - 1)) URL.revokeObjectURL(old.url);
  spoken.value = [entry, ...spoken.value.slice(0, MOST - 1)];
}
