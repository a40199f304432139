// Files of jobs: images and audio that need the key, where there is one.

import { useEffect, useState } from "../lib.js";
import { key, ownAddress, request } from "../api.js";

/** The file itself. */
export async function fileOf(url, abort) {
  return (await request(ownAddress(url), { abort })).blob();
}

/** An address for `src`, null until it is known: elements send no key, so that with one the file is fetched first. */
export function useFile(url) {
  const direct = url && !key.value ? ownAddress(url).href : null;
  const [fetched, setFetched] = useState(null);
  useEffect(() => {
    if (!url || direct) return undefined;
    const abort = new AbortController();
    let address = null;
    fileOf(url, abort.signal).then(
      (file) => {
        address = URL.createObjectURL(file);
        setFetched(address);
      },
      () => {},
    );
    return () => {
      abort.abort();
      if (address) URL.revokeObjectURL(address);
    };
  }, [url, direct]);
  return direct ?? fetched;
}
