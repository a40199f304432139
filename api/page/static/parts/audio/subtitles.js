// Subtitles of a transcript's segments: SubRip and WebVTT, as the server writes them.

function time(seconds, point) {
  const milliseconds = Math.round(seconds * 1000);
  const part = (unit, most, digits = 2) => String(Math.floor(milliseconds / unit) % most).padStart(digits, "0");
  return `${part(3_600_000, 100)}:${part(60_000, 60)}:${part(1000, 60)}${point}${part(1, 1000, 3)}`;
}

/** A cue ends at an empty line, and an arrow in it would be times. */
const cueText = (text) =>
  text
    .replaceAll("-->", "->")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .join("\n");

function cues(segments, point) {
  return segments
    .map(({ start, end, text }) => ({
      times: `${time(Math.max(0, Math.min(start, end - 0.001)), point)} --> ${time(end, point)}`,
      text: cueText(text),
    }))
    .filter(({ text }) => text);
}

export const srt = (segments) =>
  cues(segments, ",")
    .map(({ times, text }, index) => `${index + 1}\n${times}\n${text}\n`)
    .join("\n");

export const vtt = (segments) =>
  ["WEBVTT\n", ...cues(segments, ".").map(({ times, text }) => `${times}\n${escaped(text)}\n`)].join("\n");

const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
