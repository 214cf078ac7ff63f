/**
 * What the gateway says of itself. Its topics may be named otherwise than the defaults, so nothing is connected to before it
 * has said so once. Where it cannot be reached, what it said last holds: that is kept for pages that open without a network.
 */

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
const KEPT = "tiderace.config";

export class Settings {
  private confirmed: Config | null = null;

  /**
   * @param ask for `/v1/config`, as `fetch`
   * @param storage where the last answer is kept
   */
  constructor(
    private readonly ask: (path: string, options: RequestInit) => Promise<Response>,
    private readonly storage: Pick<Storage, "getItem" | "setItem">,
  ) {}

  /**
   * Asks the gateway until it has answered once; else what it said last.
   * @throws Error if it cannot be reached and never could
   */
  async get(): Promise<Config> {
    this.confirmed ??= await this.fetch();
    const known = this.confirmed ?? this.last();
    if (!known) {
      throw new Error("No connection.");
    }
    return known;
  }

  /** Null: no answer. A gateway that answers and has no such page is one with the topics of the defaults. */
  private async fetch(): Promise<Config | null> {
    let response: Response;
    let said: unknown = null;
    try {
      response = await this.ask("/v1/config", { signal: AbortSignal.timeout(CONFIG_MS) });
      said = response.ok ? await response.json() : null;
    } catch {
      return null;
    }
    if (response.ok) {
      this.keep(said);
      return readConfig(said);
    }
    return response.status < 500 ? (this.last() ?? DEFAULT_CONFIG) : null;
  }

  private keep(said: unknown): void {
    try {
      this.storage.setItem(KEPT, JSON.stringify(said));
    } catch {
      // No room: it is asked for again at the next visit.
    }
  }

  private last(): Config | null {
    const kept = this.storage.getItem(KEPT);
    return kept === null ? null : readConfig(JSON.parse(kept));
  }
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
