/** What to do where a sensor was refused: browsers do not ask twice, and each hides elsewhere how to change one's mind. */

/** `standalone` is there in Safari on iOS, and in all browsers there, which are Safari inside. */
export function onIos(browser: object = navigator): boolean {
  return "standalone" in browser;
}

export function howToAllow(what: "motion" | "location", ios = onIos()): string {
  if (ios && what === "motion") {
    return "Close this page in the browser, open it again, and allow motion.";
  }
  return ios
    ? "Allow it in Settings → Privacy & Security → Location Services → Safari Websites, and load this page again."
    : `Tap the sign beside the address, allow ${what} there (or under Site settings), and load this page again.`;
}
