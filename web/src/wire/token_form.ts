/**
 * A field for the token, shown where the gateway wants one: a page that was installed has storage of its own on iOS, and no
 * address bar to be handed a token by.
 */
export class TokenForm {
  private readonly form = document.getElementById("token-form") as HTMLFormElement;
  private readonly field = document.getElementById("token") as HTMLInputElement;

  /** @param take gets what was typed, without blanks around it */
  constructor(take: (token: string) => void) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.field.value.trim();
      if (token !== "") {
        this.field.value = "";
        take(token);
      }
    });
  }

  /** Shown until `hide`, however often a connection is tried in between. */
  show(): void {
    this.form.hidden = false;
  }

  hide(): void {
    this.form.hidden = true;
  }
}
