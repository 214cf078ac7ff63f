/** The real gateway and the real service, as ./dev build has made them, on an embedded log of their own. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { soon } from "./wire";

/** web/ is where ./dev and npm run the tests. */
const ROOT = resolve(process.cwd(), "..");
const EXAMPLE = join(ROOT, "examples/crash_detection");

function built(path: string, environment: string): string {
  const found = process.env[environment] ?? join(ROOT, path);
  if (!existsSync(found)) {
    throw new Error(`no ${found}; ./dev build makes it, or ${environment} names another`);
  }
  return found;
}

/** Ends with the test run, however that ends; what it says goes where `said` looks. */
class Process {
  private readonly child: ChildProcess;
  private text = "";
  private readonly ended: Promise<void>;

  constructor(command: string, ...words: string[]) {
    this.child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (part) => (this.text += String(part)));
    this.child.stderr?.on("data", (part) => (this.text += String(part)));
    this.ended = new Promise((resolve) => this.child.on("exit", () => resolve()));
    process.on("exit", this.kill);
  }

  /** The first group of what it says, as soon as it has said that. @throws Error if it ends before */
  async says(pattern: RegExp): Promise<string> {
    const found = new Promise<string>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.text);
        if (match) {
          resolve(match[1] as string);
        }
      };
      this.child.stdout?.on("data", look);
      void this.ended.then(() => reject(new Error(`it ended and had said:\n${this.text}`)));
      look();
    });
    return soon(found, () => `not said: ${pattern}, but:\n${this.text}\n`);
  }

  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    await soon(this.ended, () => `no end after SIGTERM; said:\n${this.text}\n`).catch((error: unknown) => {
      this.kill();
      throw error;
    });
    process.off("exit", this.kill);
  }

  private readonly kill = () => void this.child.kill("SIGKILL");
}

const TOPICS = "[topics]\nphone-data = { partitions = 4 }\nalerts = { partitions = 4 }\n";

export class RealGateway {
  private constructor(
    private readonly folder: string,
    private readonly config: string,
    private process: Process,
    readonly address: string,
  ) {}

  /** @param config TOML beside listen, broker_address and web_root; default: the topics of the example, no tokens */
  static async start(webRoot: string, config = ""): Promise<RealGateway> {
    const folder = await mkdtemp(join(tmpdir(), "tiderace-web-"));
    const topics = config.includes("[topics]") ? "" : TOPICS;
    const all = `broker_address = "${brokerIn(folder)}"\nweb_root = "${webRoot}"\n${topics}${config}`;
    const [process, address] = await RealGateway.run(folder, 'listen = "127.0.0.1:0"', all);
    return new RealGateway(folder, all, process, address);
  }

  private static async run(folder: string, listen: string, config: string): Promise<[Process, string]> {
    const file = join(folder, "gateway.toml");
    await writeFile(file, `${listen}\n${config}`);
    const process = new Process(built("build/tiderace", "TIDERACE_PROGRAM"), "gateway", "--config", file);
    return [process, await process.says(/listening on (http:\/\/[^ ;\n]*)/)];
  }

  /** The log that it writes, for a service. */
  get broker(): string {
    return brokerIn(this.folder);
  }

  /** Ends it, and starts it at the same address, with its log or with one that has nothing in it. */
  async restart({ withItsLog }: { withItsLog: boolean }): Promise<void> {
    await this.process.stop();
    if (!withItsLog) {
      await rm(join(this.folder, "log"), { recursive: true });
    }
    [this.process] = await RealGateway.run(this.folder, `listen = "${new URL(this.address).host}"`, this.config);
  }

  async stop(): Promise<void> {
    try {
      await this.process.stop();
    } finally {
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}

function brokerIn(folder: string): string {
  return `embedded:${join(folder, "log")}`;
}

/** service.py of the example, with the model that its train.py makes. */
export class RealService {
  private constructor(
    private readonly folder: string,
    private readonly process: Process,
  ) {}

  static async start({ broker }: RealGateway): Promise<RealService> {
    const python = built(".venv/bin/python", "TIDERACE_PYTHON");
    const folder = await mkdtemp(join(tmpdir(), "tiderace-model-"));
    try {
      await promisify(execFile)(python, [join(EXAMPLE, "train.py"), "--output", folder]);
    } catch (error) {
      await rm(folder, { recursive: true });
      throw error;
    }
    const model = ["--model", join(folder, "shaking.pkl")];
    const service = new Process(python, join(EXAMPLE, "service.py"), "--broker-address", broker, ...model);
    return new RealService(folder, service);
  }

  async stop(): Promise<void> {
    try {
      await this.process.stop();
    } finally {
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}
