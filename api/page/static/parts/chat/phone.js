// The address of this page as a QR code for a phone; it leads to the answer that is being made, where there is one.

import { html, useEffect, useMemo, useState } from "../../lib.js";
import { base, call } from "../../api.js";
import qrcode from "../../vendor/qrcode.js";
import { CopyButton } from "../controls.js";
import { Dialog } from "../dialog.js";

const LOOPBACK = /^(localhost|.*\.localhost|127\.[0-9.]+|\[::1\])$/;

/** The code as the path of an SVG, one square a module. */
function pathOf(text) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const size = code.getModuleCount();
  let path = "";
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      if (code.isDark(row, column)) path += `M${column} ${row}h1v1h-1z`;
    }
  }
  return { path, size };
}

export function QrCode({ text }) {
  const { path, size } = useMemo(() => pathOf(text), [text]);
  // A margin of four modules belongs to the code, and it is dark on light in every theme.
  return html`<svg class="qr" role="img" aria-label=${`QR code of ${text}`} viewBox=${`-4 -4 ${size + 8} ${size + 8}`} shape-rendering="crispEdges">
    <rect x="-4" y="-4" width=${size + 8} height=${size + 8} fill="#fff" /><path d=${path} fill="#000" />
  </svg>`;
}

export function Phone({ job, onClose }) {
  const [network, setNetwork] = useState(LOOPBACK.test(base.hostname) ? null : base.href);
  useEffect(() => {
    if (network === null) networkAddress().then(setNetwork, () => setNetwork(""));
  }, []);
  const link = network && `${network}#/chat${job ? `?job=${encodeURIComponent(job)}` : ""}`;
  return html`<${Dialog} title="Open on a phone" onClose=${onClose}>
    ${link
      ? html`<${QrCode} text=${link} />
          <p class="row"><code class="wrap grow">${link}</code><${CopyButton} text=${link} /></p>
          <p class="hint">${job ? "It leads to the answer that is being made. " : ""}Conversations stay in this browser.</p>`
      : network === "" &&
        html`<p>The server listens on this machine only. To reach it from the network, start it with</p>
          <pre>API_KEYS=a-secret HOST=0.0.0.0 mlxq serve</pre>
          <p>and open this page by the machine's name or address. The phone asks for the key.</p>`}
  <//>`;
}

/** The address under which others reach the server, "" where there is none. */
async function networkAddress() {
  const { addresses } = await call("v1/addresses");
  return addresses[0] ?? "";
}
