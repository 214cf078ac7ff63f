/** The gateway that served the page: its settings, its addresses, the token it wants. */

export interface Config {
  version: string;
  topics: { in: string; out: string };
  tileUrl: string | null;
}

export const DEFAULT_CONFIG: Config = {
  version: "",
  topics: { in: "phone-data", out: "alerts" },
  tileUrl: null,
};

/** A network that swallows everything holds the page up no longer. */
const CONFIG_MS = 4000;
const TOKEN = "tiderace.token";

/**
 * What the gateway says of itself, or the defaults where it says nothing.
 * @throws Error if it cannot be reached or refuses
 */
export async function fetchConfig(): Promise<Config> {
  const response = await fetch("/v1/config", { headers: authorization(), signal: AbortSignal.timeout(CONFIG_MS) });
  if (!response.ok) {
    throw new Error(`/v1/config: ${response.status} ${response.statusText}`);
  }
  return readConfig(await response.json());
}

export function readConfig(value: unknown): Config {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const topics = (given["topics"] ?? {}) as Record<string, unknown>;
  const text = (found: unknown, otherwise: string) =>
    typeof found === "string" && found !== "" ? found : otherwise;
  return {
    version: text(given["version"], DEFAULT_CONFIG.version),
    topics: {
      in: text(topics["in"], DEFAULT_CONFIG.topics.in),
      out: text(topics["out"], DEFAULT_CONFIG.topics.out),
    },
    tileUrl: typeof given["tile_url"] === "string" ? given["tile_url"] : null,
  };
}

/**
 * Takes what the address bar hands over after #, so that it reaches no server and no history: `token=`, which is kept, and
 * `rider=`, which is returned.
 */
export function takeHandover(): { rider: string | null } {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  if (token !== null) {
    localStorage.setItem(TOKEN, token);
  }
  if (given.has("token") || given.has("rider")) {
    history.replaceState(null, "", location.pathname + location.search);
  }
  return { rider: given.get("rider") };
}

export function token(): string {
  return localStorage.getItem(TOKEN) ?? "";
}

function authorization(): Record<string, string> {
  return token() ? { Authorization: `Bearer ${token()}` } : {};
}

export type Query = Record<string, string>;

/** A token may be a subprotocol if it is one by RFC 9110; any other goes into the address. */
export function asSubprotocol(value: string): string | null {
  return /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(value) ? `tiderace.token.${value}` : null;
}

export function topicPath(topics: string[], query: Query): string {
  const parameters = new URLSearchParams(query);
  return `/v1/topics/${topics.map(encodeURIComponent).join(",")}?${parameters}`;
}

/** Opens a socket to topics of the gateway, with the token where there is one. */
export function openSocket(topics: string[], query: Query): WebSocket {
  const secret = token();
  const subprotocol = secret ? asSubprotocol(secret) : null;
  const path = topicPath(topics, secret && !subprotocol ? { ...query, token: secret } : query);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return new WebSocket(`${scheme}//${location.host}${path}`, ["tiderace.v1", ...(subprotocol ? [subprotocol] : [])]);
}

/**
 * Why the gateway refuses. A browser does not tell what a refused handshake was answered, so the same is asked without a
 * socket: a writer by POST with no row, a reader by GET. Null: the gateway cannot be reached, or does not refuse.
 */
export async function whyRefused(topics: string[], query: Query, method: "GET" | "POST"): Promise<string | null> {
  let response: Response;
  try {
    const body = method === "POST" ? { body: "" } : {};
    response = await fetch(topicPath(topics, query), { method, headers: authorization(), ...body });
  } catch {
    return null;
  }
  const reasons: Record<number, string> = {
    401: "The gateway wants a token, or does not know this one. Open the page by the address you were given.",
    403: "The token does not allow these topics or this rider, or the page's address is not allowed.",
    404: `The gateway does not have the topics ${topics.join(", ")}.`,
    429: "Too many connections from here.",
    503: "The gateway has too many connections.",
  };
  return reasons[response.status] ?? null;
}
