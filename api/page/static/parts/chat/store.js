// Conversations in this browser's IndexedDB, and nowhere else. It knows neither the server nor what is shown.
//
// Two stores: `rows` is the list, `conversations` holds them with their images. Where the browser has no database (some
// private windows), conversations live as long as the page.

const NAME = "mlxq";
const VERSION = 1;
/** Conversations that are kept; beyond that the oldest are deleted. */
export const MOST_CONVERSATIONS = 500;

const memory = { rows: new Map(), conversations: new Map() };
let opened;

function open() {
  opened ??= new Promise((resolve) => {
    let request;
    try {
      request = indexedDB.open(NAME, VERSION);
    } catch {
      resolve(null);
      return;
    }
    request.onupgradeneeded = () => {
      request.result.createObjectStore("rows", { keyPath: "id" });
      request.result.createObjectStore("conversations", { keyPath: "id" });
    };
    request.onsuccess = () => {
      // A newer page in another tab may change the database.
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => resolve(null);
    request.onblocked = () => resolve(null);
  });
  return opened;
}

const settled = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const row = ({ id, title, updated, model }) => ({ id, title, updated, model });

/** The list, the newest first: rows of { id, title, updated, model }. */
export async function list() {
  const database = await open();
  const rows = database
    ? await settled(database.transaction("rows").objectStore("rows").getAll())
    : [...memory.rows.values()];
  return rows.sort((one, other) => other.updated - one.updated);
}

/** A conversation, or undefined. */
export async function read(id) {
  const database = await open();
  if (!database) return memory.conversations.get(id);
  return settled(database.transaction("conversations").objectStore("conversations").get(id));
}

/** Keeps a conversation. Rejects where the browser's room is used up. */
export async function write(conversation) {
  await change((rows, conversations) => {
    rows.put(row(conversation));
    conversations.put(conversation);
  });
}

/** Deletes conversations by their ids. */
export async function remove(...ids) {
  await change((rows, conversations) => {
    for (const id of ids) {
      rows.delete(id);
      conversations.delete(id);
    }
  });
}

/** Deletes the oldest conversations beyond the bound. */
export async function prune() {
  const superfluous = (await list()).slice(MOST_CONVERSATIONS).map((each) => each.id);
  if (superfluous.length) await remove(...superfluous);
}

async function change(make) {
  const database = await open();
  if (!database) {
    make(
      ...["rows", "conversations"].map((name) => ({
        put: (value) => memory[name].set(value.id, value),
        delete: (id) => memory[name].delete(id),
      })),
    );
    return;
  }
  const transaction = database.transaction(["rows", "conversations"], "readwrite");
  make(transaction.objectStore("rows"), transaction.objectStore("conversations"));
  await new Promise((resolve, reject) => {
    transaction.oncomplete = resolve;
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
