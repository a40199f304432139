// Images: made from a text or from another image, and the gallery of those that are kept.

import { html, useEffect } from "../lib.js";
import { Heading } from "../parts/heading.js";
import { Form, startFrom } from "../parts/images/form.js";
import { Gallery } from "../parts/images/gallery.js";
import { Running } from "../parts/images/running.js";
import { resume } from "../parts/images/work.js";
import { failed } from "../parts/toast.js";

export function View() {
  useEffect(() => {
    resume();
    const paste = (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
      if (!file) return;
      event.preventDefault();
      startFrom(file).catch(failed);
    };
    addEventListener("paste", paste);
    return () => removeEventListener("paste", paste);
  }, []);
  return html`<${Heading}>Images<//>
    <div class="images">
      <${Form} />
      <div class="made"><${Running} /><${Gallery} /></div>
    </div>`;
}
