// Hands files to the user.

/** Saves a Blob, or a text, as a file. */
export function save(name, content, type = "text/plain;charset=utf-8") {
  const blob = content instanceof Blob ? content : new Blob([content], { type });
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser reads it in a moment.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A text as a part of a file's name. */
export const fileName = (text, usual) =>
  text
    .normalize("NFKD")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .slice(0, 48)
    .replace(/^-+|-+$/g, "")
    .toLowerCase() || usual;
