// Recordings from the microphone, and files that are dropped or picked.

import { html, useEffect, useRef, useState } from "../../lib.js";
import { Button } from "../controls.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

const WHY = {
  NotAllowedError: "The browser does not allow this page to use the microphone. Its address bar has a switch for that.",
  NotFoundError: "This machine has no microphone.",
  NotReadableError: "The microphone is in use by another program.",
};

/** Why there is no microphone here, or null. */
const lacking = () =>
  navigator.mediaDevices?.getUserMedia && typeof MediaRecorder !== "undefined"
    ? null
    : "Browsers give the microphone only to pages with https:// and to pages of the machine itself (http://localhost). You can still choose a file.";

/** `onFile` gets a File. `children` stands before the buttons. */
export function Recorder({ label, onFile, disabled = false, children }) {
  const [recording, setRecording] = useState(null);
  const [error, setError] = useState(null);
  const [over, setOver] = useState(false);
  const picker = useRef(null);

  const start = async () => {
    const reason = lacking();
    setError(reason);
    if (reason) return;
    try {
      setRecording(await record(onFile, () => setRecording(null)));
    } catch (problem) {
      setError(WHY[problem.name] ?? problem.message);
    }
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer.files[0] && !disabled) onFile(event.dataTransfer.files[0]);
  };
  return html`<div class=${`drop ${over ? "over" : ""}`} role="group" aria-label=${label} onDrop=${drop}
    onDragOver=${(event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)}>
    <div class="stack grow">
      ${children}
      ${recording
        ? html`<${Going} recording=${recording} />`
        : html`<div class="row wrap-row">
            <${Button} icon="audio" disabled=${disabled} onClick=${start}>Record<//>
            <${Button} disabled=${disabled} onClick=${() => picker.current.click()}>Choose a file<//>
            <span class="hint">or drop one here</span>
          </div>`}
      ${error && html`<p class="error-text" role="alert">${error}</p>`}
      <input ref=${picker} type="file" accept="audio/*,video/*" hidden disabled=${disabled}
        onChange=${(event) => (event.target.files[0] && onFile(event.target.files[0]), (event.target.value = ""))} />
    </div>
  </div>`;
}

function Going({ recording }) {
  const [seconds, setSeconds] = useState(0);
  const level = useRef(null);
  useEffect(() => {
    let frame = requestAnimationFrame(function look() {
      if (!level.current) return;
      setSeconds(Math.floor((performance.now() - recording.began) / 1000));
      level.current.style.transform = `scaleX(${recording.level()})`;
      frame = requestAnimationFrame(look);
    });
    return () => {
      cancelAnimationFrame(frame);
      // Who leaves the view does not want to be recorded any more.
      recording.discard();
    };
  }, [recording]);
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  return html`<div class="recorder">
    <span class="time" role="timer" aria-label="Recorded">${time}</span>
    <div class="level" aria-hidden="true"><div ref=${level}></div></div>
    <${Button} look="primary" icon="stop" onClick=${recording.stop}>Done<//>
    <${Button} onClick=${recording.discard}>Discard<//>
  </div>`;
}

/** Records until `stop`, which hands the file to `onFile`, or `discard`. */
async function record(onFile, onEnd) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each)) ?? "";
  const recorder = new MediaRecorder(stream, type ? { mimeType: type } : undefined);
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const pieces = [];
  let kept = true;
  recorder.ondataavailable = ({ data }) => pieces.push(data);
  recorder.onstop = () => {
    for (const track of stream.getTracks()) track.stop();
    context.close();
    onEnd();
    if (!kept) return;
    const suffix = recorder.mimeType.includes("mp4") ? "m4a" : recorder.mimeType.includes("ogg") ? "ogg" : "webm";
    onFile(new File(pieces, `recording.${suffix}`, { type: recorder.mimeType }));
  };
  recorder.start(1000);
  const end = (keeps) => {
    if (recorder.state === "inactive") return;
    kept = keeps;
    recorder.stop();
  };
  return {
    began: performance.now(),
    stop: () => end(true),
    discard: () => end(false),
    level() {
      analyser.getFloatTimeDomainData(samples);
      let most = 0;
      for (const sample of samples) most = Math.max(most, Math.abs(sample));
      return Math.min(1, most * 1.4);
    },
  };
}
