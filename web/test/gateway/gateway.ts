/**
 * A gateway for tests of the pages: it speaks the wire protocol over a log in memory. What it has beyond that is what tests
 * need: it can refuse messages and say that its readers are slow.
 */

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { MemoryLog, type StoredRecord } from "./log";
import { ReaderSocket } from "./reader_socket";

/** What the real one should send with its pages as well. */
const POLICY =
  "default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; connect-src 'self'; style-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
};

export interface GatewayOptions {
  webRoot: string;
  /** Wanted of everybody, if given. */
  token?: string;
  messagesPerSecond?: number;
  messageBytes?: number;
}

export class TestGateway {
  readonly log = new MemoryLog({ "phone-data": 4, alerts: 4 });
  /** A reason refuses the message; null takes it. */
  refuse: (row: Record<string, unknown>) => string | null = () => null;
  private readonly server: Server;
  private readonly sockets: WebSocketServer;
  private readonly sessions = new Map<string, WebSocket>();
  private readonly readers = new Map<string, string>();

  constructor(private readonly options: GatewayOptions) {
    this.server = createServer((request, response) => void this.answer(request, response));
    this.sockets = new WebSocketServer({
      noServer: true,
      maxPayload: options.messageBytes ?? 1_000_000,
      handleProtocols: (offered) => (offered.has("tiderace.v1") ? "tiderace.v1" : false),
    });
    this.server.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.sockets.clients.forEach((client) => client.terminate());
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://gateway");
    if (url.pathname === "/v1/config") {
      const topics = { in: "phone-data", out: "alerts" };
      json(response, 200, { version: "0.1.0", topics, tile_url: null, model: null });
    } else if (url.pathname.startsWith("/v1/topics/")) {
      await this.post(request, response, url);
    } else {
      await this.file(url.pathname, response);
    }
  }

  private async file(path: string, response: ServerResponse): Promise<void> {
    const name = normalize(path === "/" ? "/index.html" : decodeURIComponent(path));
    try {
      const body = await readFile(join(this.options.webRoot, name));
      const type = TYPES[extname(name)] ?? "application/octet-stream";
      response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": POLICY }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  }

  /** The status that a topic, a key or a token is refused with; null: allowed. */
  private refusal(request: IncomingMessage, url: URL): number | null {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(/,\s*/);
    const given = [
      request.headers.authorization?.replace(/^Bearer /, ""),
      url.searchParams.get("token"),
      ...offered.map((protocol) => protocol.replace(/^tiderace\.token\./, "")),
    ];
    if (this.options.token && !given.includes(this.options.token)) {
      return 401;
    }
    return topicsOf(url).every((topic) => this.log.has(topic)) ? null : 404;
  }

  private async post(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const status = request.method === "POST" ? this.refusal(request, url) : (this.refusal(request, url) ?? 426);
    if (status) {
      json(response, status, { error: `refused with ${status}` });
      return;
    }
    let body = "";
    for await (const chunk of request) {
      body += String(chunk);
    }
    const session = url.searchParams.get("session");
    const stored = this.stored(url);
    const sequence = Number(url.searchParams.get("sequence") ?? stored + 1);
    if (session && sequence <= stored) {
      json(response, 200, { ack: sequence, duplicate: true });
    } else if (session && sequence > stored + 1) {
      json(response, 409, { error: "a message before it is missing", sequence: stored });
    } else {
      const taken = this.store(url, body, sequence);
      json(response, "error" in taken ? 400 : 200, taken);
    }
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? "/", "http://gateway");
    const status = url.pathname.startsWith("/v1/topics/") ? this.refusal(request, url) : 404;
    if (status) {
      socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.sockets.handleUpgrade(request, socket, head, (client) => {
      client.on("error", () => undefined);
      const pings = setInterval(() => client.ping(), 20_000);
      client.on("close", () => clearInterval(pings));
      if (url.searchParams.has("from")) {
        new ReaderSocket(client, this.log, topicsOf(url), url.searchParams, this.readers);
      } else {
        this.writer(client, url);
      }
    });
  }

  private writer(client: WebSocket, url: URL): void {
    const session = url.searchParams.get("session");
    if (session) {
      this.sessions.get(session)?.close(4000, "the session was opened elsewhere");
      this.sessions.set(session, client);
    }
    let sequence = this.stored(url);
    let second = { startMs: Date.now(), messages: 0 };
    const refused = this.log.refused.get(sessionOf(url)) ?? [];
    client.send(JSON.stringify({ hello: { sequence, ...(refused.length > 0 ? { refused } : {}) } }));
    client.on("message", (data) => {
      if (client.readyState !== client.OPEN || (session && this.sessions.get(session) !== client)) {
        return;
      }
      if (Date.now() - second.startMs > 1000) {
        second = { startMs: Date.now(), messages: 0 };
      }
      second.messages += 1;
      if (second.messages > (this.options.messagesPerSecond ?? 100)) {
        client.close(1008, "more than messages_per_second");
        return;
      }
      sequence += 1;
      const taken = this.store(url, String(data), sequence);
      client.send(JSON.stringify("error" in taken ? { refused: sequence, ...taken } : taken));
    });
  }

  private stored(url: URL): number {
    return url.searchParams.has("session") ? (this.log.sequences.get(sessionOf(url)) ?? 0) : 0;
  }

  /** A number is used up by either answer. */
  private store(url: URL, body: string, sequence: number): { ack: number; offsets: unknown } | { error: string } {
    const taken = this.append(url, body, sequence);
    if ("error" in taken && url.searchParams.has("session")) {
      this.log.refuse(sessionOf(url), sequence);
    }
    return taken;
  }

  private append(url: URL, body: string, sequence: number): { ack: number; offsets: unknown } | { error: string } {
    const timestampField = url.searchParams.get("timestamp_field");
    const keyField = url.searchParams.get("key_field");
    const rows: Omit<StoredRecord, "topic" | "partition" | "offset">[] = [];
    let values: unknown;
    try {
      values = body.trimStart().startsWith("[") ? JSON.parse(body) : body.split("\n").filter(Boolean).map(parse);
    } catch (error) {
      return { error: (error as Error).message };
    }
    for (const [index, value] of (values as Record<string, unknown>[]).entries()) {
      const timestamp = timestampField ? value[timestampField] : Date.now();
      const key = keyField ? String(value[keyField]) : url.searchParams.get("key");
      const error = typeof timestamp === "number" ? this.refuse(value) : `no field ${timestampField}`;
      if (error) {
        return { error: `row ${index + 1}: ${error}` };
      }
      rows.push({ timestamp: timestamp as number, key, value });
    }
    if (rows.length === 0) {
      return { error: "no rows" };
    }
    const offsets = this.log.append(topicsOf(url)[0] as string, rows, url.searchParams.get("session"), sequence);
    return { ack: sequence, offsets };
  }
}

function parse(line: string): unknown {
  return JSON.parse(line);
}

function sessionOf(url: URL): string {
  return `${topicsOf(url)[0]}/${url.searchParams.get("session")}`;
}

function topicsOf(url: URL): string[] {
  return decodeURIComponent(url.pathname.slice("/v1/topics/".length)).split(",");
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}
