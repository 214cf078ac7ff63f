/** 128 random bits as text; unlike crypto.randomUUID it is there without HTTPS too. */
export function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
