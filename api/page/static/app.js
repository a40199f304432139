// The shell: navigation, the view that the hash names, dialogs, notices.

import { html, render, signal, useEffect, useErrorBoundary, useRef } from "./lib.js";
import { locked } from "./api.js";
import { connected, everyJob, refused, running, start, waiting } from "./events.js";
import { useKeys } from "./keys.js";
import { Heading } from "./parts/heading.js";
import { Icon } from "./parts/icons.js";
import { Questions } from "./parts/dialog.js";
import { Help, helping } from "./parts/help.js";
import { Login } from "./parts/login.js";
import { Spinner } from "./parts/progress.js";
import { Button } from "./parts/controls.js";
import { Toasts } from "./parts/toast.js";
import { go, route } from "./router.js";
import { recallHere, rememberHere } from "./storage.js";

/** Each view is `export function View({path, query})` of its file, which is fetched when it is first shown. */
const VIEWS = {
  now: { title: "Now", key: "n", load: () => import("./views/now.js") },
  history: { title: "History", key: "h", load: () => import("./views/history.js") },
  chat: { title: "Chat", key: "c", load: () => import("./views/chat.js") },
  images: { title: "Images", key: "i", load: () => import("./views/images.js") },
  audio: { title: "Audio", key: "a", load: () => import("./views/audio.js") },
  models: { title: "Models", key: "m", load: () => import("./views/models.js") },
  usage: { title: "Usage", key: "u", load: () => import("./views/usage.js") },
  connect: { title: "Connect", key: "o", load: () => import("./views/connect.js") },
  health: { title: "Health", key: "e", load: () => import("./views/health.js") },
  settings: { title: "Settings", key: "s", load: () => import("./views/settings.js") },
  logs: { title: "Logs", key: "l", load: () => import("./views/logs.js") },
};
/** Views that no link of the navigation leads to. */
const HIDDEN = { jobs: { title: "Job", under: "history", load: () => import("./views/job.js") } };

const viewOf = (name) => [VIEWS, HIDDEN].find((views) => Object.hasOwn(views, name))?.[name];

const menuOpen = signal(false);

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menuOpen.value) return;
  menuOpen.value = false;
  document.querySelector(".topbar button")?.focus();
});

function Nav() {
  const { name } = route.value;
  const current = viewOf(name)?.under ?? name;
  const live = everyJob.value;
  return html`<nav class=${menuOpen.value ? "open" : ""} id="nav" aria-label="Views">
    <ul>
      ${Object.entries(VIEWS).map(
        ([each, { title }]) => html`<li key=${each}>
          <a href=${`#/${each}`} aria-current=${each === current ? "page" : undefined} onClick=${() => (menuOpen.value = false)}>
            <${Icon} name=${each} /><span>${title}</span>
            ${each === "now" && live > 0 && html`<span class="count" aria-label=${`${live} jobs`}>${live}</span>`}
          </a>
        </li>`,
      )}
    </ul>
    <div class="nav-foot">
      <${Connection} />
      <${Button} look="quiet" label="Keyboard shortcuts" onClick=${() => (helping.value = true)}>?<//>
    </div>
  </nav>`;
}

function Connection() {
  const text = connected.value ? "Connected" : refused.value ? "Not allowed" : "Connecting …";
  return html`<span class=${`connection ${connected.value ? "on" : "off"}`} role="status">${text}</span>`;
}

function TopBar({ title }) {
  return html`<header class="topbar">
    <${Button} look="quiet" icon="menu" label="Menu" aria-expanded=${menuOpen.value ? "true" : "false"} aria-controls="nav"
      onClick=${() => (menuOpen.value = !menuOpen.value)} />
    <span class="topbar-title">${title}</span>
    <${Connection} />
  </header>`;
}

/** The views that were fetched, by their names. */
const loaded = signal({});

/** How often the page is loaded again for a view that could not be fetched, and milliseconds before that. */
const TRIES = 3;
const PAUSE = 300;
const MISSED = "missed";

async function load(name, view) {
  const View = await view.load().then((module) => module.View, () => Missing);
  if (View !== Missing) rememberHere(MISSED, null);
  loaded.value = { ...loaded.value, [name]: View };
}

function Current() {
  const { name, path, query } = route.value;
  const view = viewOf(name);
  const Shown = loaded.value[name];
  const [error, reset] = useErrorBoundary((found) => console.error(found));
  useEffect(() => {
    reset();
    if (view && !Shown) load(name, view);
  }, [name]);
  if (!view) return html`<${Heading}>Not found<//><p>There is no such view. <a href="#/now">Now</a> shows what goes on.</p>`;
  if (error) {
    return html`<${Heading}>${view.title}<//><p class="error-text" role="alert">This view failed: ${String(error)}</p>
      <p><button type="button" class="button" onClick=${reset}>Try again</button></p>`;
  }
  return Shown ? html`<${Shown} key=${`${name}/${path.join("/")}`} path=${path} query=${query} />` : html`<${Spinner} />`;
}

/** Browsers do not fetch a module again that could not be fetched once: the network may just have changed. */
function Missing() {
  useEffect(() => {
    const tries = recallHere(MISSED, 0);
    if (!connected.value || tries >= TRIES) return undefined;
    const timer = setTimeout(() => {
      if (rememberHere(MISSED, tries + 1)) location.reload();
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [connected.value]);
  if (!connected.value) {
    return html`<${Heading}>Not loaded<//><p>The server can't be reached. This view is shown as soon as it is back.</p>`;
  }
  return html`<${Heading}>Not loaded<//><p>This view could not be fetched. <a href="">Load the page again.</a></p>`;
}

/** Moves the focus to the view after the hash has changed, so that keyboard and screen reader are there. */
function Main() {
  const ref = useRef(null);
  const { name, path } = route.value;
  const place = `${name}/${path.join("/")}`;
  const before = useRef(place);
  useEffect(() => {
    if (before.current === place) return;
    before.current = place;
    scrollTo(0, 0);
    ref.current.focus({ preventScroll: true });
  }, [place]);
  return html`<main ref=${ref} id="main" tabindex="-1" class=${`view-${name}`}><${Current} /></main>`;
}

function App() {
  const { name } = route.value;
  const title = viewOf(name)?.title ?? "Not found";
  useEffect(() => {
    const [runs, waits] = [running.value.length, waiting.value.length];
    const live = runs || waits ? ` (${runs} running, ${waits} waiting)` : "";
    document.title = `${title}${live} – mlxq`;
  }, [title, running.value, waiting.value]);
  useKeys(
    [
      { keys: "?", text: "These keys", run: () => (helping.value = true) },
      ...Object.entries(VIEWS).map(([each, view]) => ({ keys: `g ${view.key}`, text: view.title, run: () => go(`#/${each}`) })),
    ],
    [],
  );
  if (locked.value) return html`<${Login} />`;
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to content</a>
    <${TopBar} title=${title} />
    <${Nav} />
    <${Main} />`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

render(html`<${App} /><${Questions} /><${Help} /><${Toasts} />`, document.getElementById("app"));
start();
