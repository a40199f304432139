// Files that jobs have made. With a key they are fetched, because `<img>` sends no headers.

import { html, useEffect, useState } from "../lib.js";
import { key, ownAddress, request } from "../api.js";

/** An address for `src`, null while it is fetched, undefined where it can't be. */
export function useFile(url) {
  const [found, setFound] = useState(() => (url && !key.value ? String(ownAddress(url)) : null));
  useEffect(() => {
    if (!url) return setFound(null);
    if (!key.value) return setFound(String(ownAddress(url)));
    let made = null;
    const abort = new AbortController();
    request(ownAddress(url), { abort: abort.signal })
      .then((answer) => answer.blob())
      .then((blob) => setFound((made = URL.createObjectURL(blob))))
      .catch(() => setFound(undefined));
    return () => {
      abort.abort();
      if (made) URL.revokeObjectURL(made);
    };
  }, [url, key.value]);
  return found;
}

export function Picture({ url, alt, ...rest }) {
  const src = useFile(url);
  return src ? html`<img src=${src} alt=${alt} decoding="async" ...${rest} />` : null;
}

export function Sound({ url, label }) {
  const src = useFile(url);
  return src ? html`<audio src=${src} controls preload="metadata" aria-label=${label}></audio>` : null;
}

/** Saves a file of a job under a name. */
export function DownloadLink({ url, name, children }) {
  const src = useFile(url);
  return src ? html`<a class="button" href=${src} download=${name}>${children}</a>` : null;
}
