// The images that are kept on this machine, from its jobs: the newest first.

import { html, useEffect, useRef, useState } from "../../lib.js";
import { ApiError, call } from "../../api.js";
import { listen } from "../../events.js";
import { clock, shortModel } from "../../format.js";
import { Button, CopyButton } from "../controls.js";
import { Dialog } from "../dialog.js";
import { fileOf, useFile } from "../file.js";
import { jobOf } from "../job.js";
import { Spinner } from "../progress.js";
import { fileName, save } from "../save.js";
import { failed } from "../toast.js";
import { startFrom } from "./form.js";
import { asked, finished, setForm, settingsOf, USUAL } from "./work.js";

const PAGE = 24;

export function Gallery() {
  const [jobs, setJobs] = useState(null);
  const [more, setMore] = useState(false);
  const [opened, setOpened] = useState(null);
  const older = useRef(false);

  const read = async (after = null) => {
    const { ids, next } = await page(after);
    if (after || !older.current) setMore(next);
    older.current ||= after !== null;
    setJobs((old) => joined(old ?? [], ids, after));
  };
  const look = () => read().catch((error) => (failed(error), setJobs((old) => old ?? [])));
  useEffect(() => {
    look();
  }, [finished.value]);
  // Images of other apps appear too.
  useEffect(
    () => listen((name, job) => name === "job" && job.queue === "image" && job.status === "completed" && look()),
    [],
  );

  if (jobs === null) return html`<${Spinner} />`;
  return html`<section aria-label="Gallery">
    <h2>Gallery</h2>
    ${!jobs.length && html`<p class="empty">Images of this machine's jobs appear here, as long as the server keeps them.</p>`}
    <ul class="gallery">${jobs.map((id) => html`<${Tiles} key=${id} id=${id} onOpen=${setOpened} />`)}</ul>
    ${more && html`<${Button} onClick=${() => read(more)}>More<//>`}
    ${opened && html`<${Picture} ...${opened} onClose=${() => setOpened(null)} />`}
  </section>`;
}

/** Older jobs come behind those that are shown, newer ones before. */
function joined(old, ids, after) {
  const known = new Set(old);
  const found = ids.filter((id) => !known.has(id));
  return after ? [...old, ...found] : [...found, ...old];
}

/** Ids of jobs with images, and the id after which there are more, or null. */
async function page(after) {
  try {
    const query = { queue: "image", status: "completed", limit: PAGE, after };
    const { data, has_more: more, last_id: last } = await call("v1/jobs", { query });
    return { ids: data.map(({ id }) => id), next: more ? last : null };
  } catch (error) {
    // From other machines jobs may not be listed: there this browser's own are shown.
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
    return { ids: asked().filter(({ open }) => !open).map(({ id }) => id), next: null };
  }
}

/** The images of a job, which is asked for when it comes into sight. */
function Tiles({ id, onOpen }) {
  const ref = useRef(null);
  const [job, setJob] = useState(null);
  useEffect(() => {
    const abort = new AbortController();
    const seen = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        seen.disconnect();
        jobOf(id, abort.signal).then(setJob, () => {});
      },
      { rootMargin: "300px" },
    );
    seen.observe(ref.current);
    return () => {
      seen.disconnect();
      abort.abort();
    };
  }, [id]);
  const images = job?.result?.data ?? null;
  if (!images) return html`<li ref=${ref} class="tile"></li>`;
  return images.map((image, index) => html`<${Tile} key=${index} job=${job} image=${image} onOpen=${onOpen} />`);
}

function Tile({ job, image, onOpen }) {
  const address = useFile(image.url);
  const prompt = image.revised_prompt ?? "";
  return html`<li class="tile">
    <button type="button" aria-label=${`Open the image: ${prompt || "without a prompt"}`} title=${prompt} onClick=${() => onOpen({ job, image })}>
      ${address && html`<img src=${address} alt="" loading="lazy" />`}
    </button>
  </li>`;
}

function Picture({ job, image, onClose }) {
  const address = useFile(image.url);
  const prompt = image.revised_prompt ?? "";
  const settings = settingsOf(job.id);
  const format = job.result.output_format;
  const name = `${fileName(prompt, "image")}-${image.seed}.${format === "jpeg" ? "jpg" : format}`;
  const again = (more) => {
    const [width, height] = job.result.size.split("x").map(Number);
    const known = settings ?? { ...USUAL, prompt, model: job.model, size: "custom", width, height };
    setForm({ ...known, n: 1, ...more });
    onClose();
    scrollTo({ top: 0 });
  };
  const start = async () => {
    await startFrom(new File([await fileOf(image.url)], name, { type: `image/${format}` }));
    onClose();
    scrollTo({ top: 0 });
  };
  const facts = [
    ["Prompt", prompt],
    ["Negative", settings?.negative],
    ["Model", shortModel(job.model)],
    ["Size", job.result.size],
    ["Seed", String(image.seed)],
    ["Steps", settings?.steps],
    ["App", job.app],
    ["Made", clock(job.timings.ended_at)],
  ].filter(([, value]) => value);
  return html`<${Dialog} title="Image" wide onClose=${onClose} actions=${html`
      ${prompt && html`<${CopyButton} text=${prompt}>Copy the prompt<//>`}
      <${Button} onClick=${start}>Start from it<//>
      <${Button} onClick=${() => again({ seed: String(image.seed) })}>Use again, same seed<//>
      <${Button} onClick=${async () => save(name, await fileOf(image.url))} icon="download">Download<//>
      <${Button} look="primary" onClick=${onClose}>Close<//>`}>
    ${address && html`<img class="opened" src=${address} alt=${prompt || "The image"} />`}
    <dl class="facts">${facts.map(([label, value]) => html`<dt key=${label}>${label}</dt><dd class="wrap">${value}</dd>`)}</dl>
  <//>`;
}
