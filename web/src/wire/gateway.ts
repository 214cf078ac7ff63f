/** The gateway that served the page: its addresses, and the token that it wants of this page. */

import { asSubprotocol, type Query, topicPath } from "./address";

/** Each page has a token of its own: one that may write, one that may read. */
export type PageName = "phone" | "dashboard";

/** Why the gateway lets this page not in. */
export interface Refusal {
  reason: string;
  /** Another token may help. */
  wantsToken: boolean;
}

/** A gateway that swallows everything is not waited for longer. */
const ANSWER_MS = 4000;

/** Said where the gateway gives no reason of its own. */
const REASONS: Record<number, string> = {
  403: "The token does not allow these topics or this rider, or the page's address is not allowed.",
  404: "The gateway does not have this topic.",
  414: "The address is too long for it.",
  429: "Too many connections from here.",
  431: "The header is too large for it.",
  503: "The gateway has too many connections.",
};

/** What a reader's address is long of, which the gateway cannot know. */
const TOO_LONG =
  "These topics have more partitions than fit into an address with the place in each; opened anew, the page begins with " +
  "the newest rows.";

export class Gateway {
  constructor(private readonly page: PageName) {}

  /**
   * Takes what the address bar hands over after #, so that it reaches no server and no history: `token=`, which is kept, and
   * `rider=`, which is returned.
   */
  takeHandover(): { rider: string | null } {
    const given = new URLSearchParams(location.hash.slice(1));
    const token = given.get("token");
    if (token !== null) {
      this.keepToken(token);
    }
    if (given.has("token") || given.has("rider")) {
      history.replaceState(null, "", location.pathname + location.search);
    }
    return { rider: given.get("rider") };
  }

  keepToken(token: string): void {
    localStorage.setItem(this.tokenKey, token);
  }

  /** As `fetch`, with this page's token. */
  readonly ask = (path: string, options: RequestInit): Promise<Response> => {
    const token = this.token();
    return fetch(path, { ...options, headers: token ? { Authorization: `Bearer ${token}` } : {} });
  };

  /** Opens a socket to topics of the gateway, with the token where there is one. */
  openSocket(topics: string[], query: Query): WebSocket {
    const secret = this.token();
    const subprotocol = secret ? asSubprotocol(secret) : null;
    const path = topicPath(topics, secret && !subprotocol ? { ...query, token: secret } : query);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(`${scheme}//${location.host}${path}`, ["tiderace.v1", ...(subprotocol ? [subprotocol] : [])]);
  }

  /**
   * Why the gateway refuses. A browser does not tell what a refused handshake was answered, so the same is asked without a
   * socket: a writer by POST with no row, a reader by GET, which is answered 426 if a socket would be opened. Null: the
   * gateway cannot be reached, or does not refuse.
   */
  async whyRefused(topics: string[], query: Query, method: "GET" | "POST"): Promise<Refusal | null> {
    try {
      const body = method === "POST" ? { body: "" } : {};
      const signal = AbortSignal.timeout(ANSWER_MS);
      const response = await this.ask(topicPath(topics, query), { method, signal, ...body });
      return readRefusal(response.status, await response.text(), method);
    } catch {
      return null;
    }
  }

  private get tokenKey(): string {
    return `tiderace.token.${this.page}`;
  }

  private token(): string {
    return localStorage.getItem(this.tokenKey) ?? "";
  }
}

/** What an answer to `whyRefused` means: the gateway's own words, if it gives any. */
export function readRefusal(status: number, body: string, method: "GET" | "POST"): Refusal | null {
  if (status === 401) {
    return { reason: "The gateway wants a token, or does not know this one.", wantsToken: true };
  }
  // A message with no row is none (400), but who hears that was let in.
  const letIn = status < 400 || status === 405 || status === 426 || (method === "POST" && status === 400);
  const tooLong = method === "GET" && (status === 414 || status === 431);
  const reason = tooLong ? TOO_LONG : (errorOf(body) ?? REASONS[status]);
  if (letIn || (status >= 500 && status !== 503) || reason === undefined) {
    return null;
  }
  return { reason: `The gateway refuses: ${reason}`, wantsToken: false };
}

function errorOf(body: string): string | undefined {
  try {
    const error = (JSON.parse(body) as { error?: unknown } | null)?.error;
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
