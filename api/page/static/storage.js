// What is kept in this browser, as JSON. Browsers that forbid it lose nothing but memory.

const PREFIX = "mlxq.";

export const recall = (name, otherwise) => read(() => localStorage, name, otherwise);

/** False where it could not be kept. */
export const remember = (name, value) => write(() => localStorage, name, value);

/** The same, kept until this tab is closed, and seen by no other. */
export const recallHere = (name, otherwise) => read(() => sessionStorage, name, otherwise);
export const rememberHere = (name, value) => write(() => sessionStorage, name, value);

function read(store, name, otherwise) {
  try {
    const text = store().getItem(PREFIX + name);
    return text === null ? otherwise : JSON.parse(text);
  } catch {
    return otherwise;
  }
}

function write(store, name, value) {
  try {
    if (value === undefined || value === null || value === "") store().removeItem(PREFIX + name);
    else store().setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
