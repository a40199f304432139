// What is kept in this browser, as JSON. Browsers that forbid it lose nothing but memory.

const PREFIX = "mlxq.";

export function recall(name, otherwise) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

/** False where it could not be kept. */
export function remember(name, value) {
  try {
    if (value === undefined || value === null || value === "") localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
