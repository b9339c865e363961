// Makes instances of the WebAssembly kernels of this folder: a module that is assembled in a `…-code.ts`, with a memory of its own.

// The part of the WebAssembly interface that is used here; TypeScript knows it only together with the whole of the browser.
declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  Module: new (code: Uint8Array) => object;
  Instance: new (module: object, imports: Record<string, Record<string, object>>) => { readonly exports: object };
};

/** Loads and copies of the kernels go in steps of 16 bytes: they may touch so much beyond their end. */
export const slackBytes = 64;
const pageBytes = 65_536;

/** What a module exports, and its memory. */
export type KernelInstance<Functions> = Functions & { memory: Buffer };

/** Assembled code (base64) that exports `Functions`; compiled when it is first used. */
export class KernelModule<Functions> {
  private readonly code: string;
  private module: object | undefined;

  constructor(code: string) {
    this.code = code;
  }

  /** With a memory of at least so many bytes. */
  instance(bytes: number): KernelInstance<Functions> {
    this.module ??= new WebAssembly.Module(Buffer.from(this.code, 'base64'));
    const pages = Math.ceil(bytes / pageBytes);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(this.module, { kernel: { memory } });
    return { ...(exports as Functions), memory: Buffer.from(memory.buffer) };
  }
}
