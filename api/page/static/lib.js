// The one place from which the page imports its libraries. The files are fetched by tools/vendor_page.py.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { Fragment, createContext, h, render } from "./vendor/preact.js";
export {
  useCallback,
  useContext,
  useEffect,
  useErrorBoundary,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "./vendor/hooks.js";
export { batch, computed, effect, signal, untracked, useComputed, useSignal, useSignalEffect } from "./vendor/signals.js";

/** JSX as a tagged template. Values become attributes and text nodes, never markup. */
export const html = htm.bind(h);
