// WAV as it comes: its header, and playing its samples while more are made.

/** Seconds of audio that are scheduled before the first is heard. */
const AHEAD = 0.12;

/** { rate, channels, start } of the samples in the first bytes of a file; null: more bytes are needed. */
export function headerOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  let format = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = view.getUint32(at + 4, true);
    if (name(at) === "data") return format && { ...format, start: at + 8 };
    if (name(at) === "fmt " && at + 24 <= bytes.length) {
      format = { channels: view.getUint16(at + 10, true), rate: view.getUint32(at + 12, true) };
    }
    at += 8 + size + (size % 2);
  }
  return null;
}

/** A WAV that was sent without its length, with it. */
export function withLength(bytes) {
  const header = headerOf(bytes);
  if (!header) return bytes;
  const whole = bytes.slice();
  const view = new DataView(whole.buffer);
  view.setUint32(4, whole.length - 8, true);
  view.setUint32(header.start - 4, whole.length - header.start, true);
  return whole;
}

/** Plays 16-bit WAV from its pieces. Made in answer to a click: browsers are silent else. */
export class WavPlayer {
  constructor() {
    this.context = new AudioContext();
    this.header = null;
    this.rest = new Uint8Array();
    this.next = 0;
  }

  add(piece) {
    const bytes = new Uint8Array(this.rest.length + piece.length);
    bytes.set(this.rest);
    bytes.set(piece, this.rest.length);
    let from = 0;
    if (!this.header) {
      this.header = headerOf(bytes);
      if (!this.header) {
        this.rest = bytes;
        return;
      }
      from = this.header.start;
    }
    const frame = 2 * this.header.channels;
    const frames = Math.floor((bytes.length - from) / frame);
    this.rest = bytes.slice(from + frames * frame);
    if (frames > 0) this.schedule(bytes.subarray(from, from + frames * frame), frames);
  }

  schedule(bytes, frames) {
    const { channels, rate } = this.header;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const buffer = this.context.createBuffer(channels, frames, rate);
    for (let channel = 0; channel < channels; channel++) {
      const samples = buffer.getChannelData(channel);
      for (let at = 0; at < frames; at++) samples[at] = view.getInt16(2 * (at * channels + channel), true) / 32768;
    }
    const node = this.context.createBufferSource();
    node.buffer = buffer;
    node.connect(this.context.destination);
    this.next = Math.max(this.next, this.context.currentTime + AHEAD);
    node.start(this.next);
    this.next += buffer.duration;
  }

  /** Until the last sample was heard. */
  ended() {
    const left = Math.max(0, this.next - this.context.currentTime);
    return new Promise((resolve) => setTimeout(resolve, left * 1000 + 50));
  }

  stop() {
    if (this.context.state !== "closed") this.context.close();
  }
}
