// Images that the user gives: from a file to a data URL or a Blob that is small enough to send.

/** The longest side of an image that a chat sends, in pixels; models scale them down further. */
const LONGEST = 1568;
const QUALITY = 0.87;

const TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

export const isPicture = (file) => file.type.startsWith("image/");

/** Draws the image of a file, upright. Throws an Error that can be shown. */
async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error(`This browser can't read the image ${file.name || ""}.`.replace(" .", "."));
  }
}

function drawn(bitmap, longest) {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** A data URL of at most `longest` pixels a side. A small PNG, JPEG, WebP or GIF stays as it is. */
export async function shrunk(file, longest = LONGEST) {
  const bitmap = await decoded(file);
  if (Math.max(bitmap.width, bitmap.height) <= longest && file.size < 400_000 && TYPES.includes(file.type)) {
    bitmap.close();
    return dataUrl(file);
  }
  const canvas = drawn(bitmap, longest);
  const clear = file.type !== "image/jpeg" && hasTransparency(canvas);
  return canvas.toDataURL(clear ? "image/webp" : "image/jpeg", QUALITY);
}

/** The image as a PNG Blob with its size: { blob, width, height }. Sides are at most `longest` pixels. */
export async function asPng(file, longest) {
  const canvas = drawn(await decoded(file), longest);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return { blob, width: canvas.width, height: canvas.height };
}

function hasTransparency(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 3; at < data.length; at += 4) if (data[at] < 255) return true;
  return false;
}

export function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("The file can't be read."));
    reader.readAsDataURL(blob);
  });
}
