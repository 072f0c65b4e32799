// One Bicep compiler for many questions. A process of the CLI takes seconds to start, and an evaluation half of one;
// "bicep jsonrpc" answers any number of them (Azure/bicep, src/Bicep.Cli/Rpc/ICliJsonRpcProtocol.cs).
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { at } from './json.ts';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const headerEnd = '\r\n\r\n';
/** An answer is the whole template as text; the largest here has 300 kB. */
const answerBytesMost = 64 * 1024 * 1024;

export class Compiler {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, Waiting>();
  #received = Buffer.alloc(0);
  #lastId = 0;

  constructor(program: string, folder: string) {
    this.#process = spawn(program, ['jsonrpc', '--stdio'], { cwd: folder });
    this.#process.stdout.on('data', (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#answerAll();
    });
    this.#process.on('exit', (code) => {
      this.#failAll(new Error(`bicep jsonrpc ended with status ${String(code)}`));
    });
    this.#process.on('error', (error) => {
      this.#failAll(error);
    });
  }

  /** The answer to one question; rejects with the compiler's own message where it has none. */
  async ask(method: string, params: unknown): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const message = JSON.stringify({ jsonrpc: '2.0', id, method, params });
    this.#process.stdin.write(`Content-Length: ${String(Buffer.byteLength(message))}${headerEnd}${message}`);
    return await answer;
  }

  end(): void {
    // It has nothing to save, and it answers SIGTERM late.
    this.#process.kill('SIGKILL');
  }

  #answerAll(): void {
    for (;;) {
      const end = this.#received.indexOf(headerEnd);
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(this.#received.toString('utf8', 0, end))?.[1]);
      if (!(length <= answerBytesMost))
        throw new Error('bicep jsonrpc answered something else than JSON-RPC');
      const start = end + headerEnd.length;
      if (this.#received.length < start + length) return;
      const answer: unknown = JSON.parse(this.#received.toString('utf8', start, start + length));
      this.#received = this.#received.subarray(start + length);
      const waiting = this.#waiting.get(Number(at(answer, 'id')));
      this.#waiting.delete(Number(at(answer, 'id')));
      const error = at(answer, 'error', 'message');
      if (typeof error === 'string') waiting?.reject(new Error(error));
      else waiting?.resolve(at(answer, 'result'));
    }
  }

  #failAll(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
